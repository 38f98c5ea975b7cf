/* How long a worker's reads take on this machine, for `btcf shm bench`. */
#ifndef SHM_BENCH_H
#define SHM_BENCH_H

#include <stdio.h>

#include "core/base.h"

/* Makes a segment of its own in a new directory below `parent` (a tmpfs), measures, prints a table with the bars beside
 * the figures, and removes the directory. Returns the number of bars that were missed, or -1 with an error frame. */
int shm_bench(const char *parent, FILE *out) BTCF_MUST_CHECK;

#endif
