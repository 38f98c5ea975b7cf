/* How long a worker's reads take on this machine, for `btcf shm bench`. */
#ifndef SHM_BENCH_H
#define SHM_BENCH_H

#include <stdio.h>

#include "core/base.h"

/* Makes segments of its own in new directories below `parent` (a tmpfs), measures, prints a table with the bars beside
 * the figures, and removes the directories. Documents are measured, and look-ups in the gate with BENCH_FEW_KEYS keys;
 * with key_count > 0 also with so many, 2^24 at most. Returns the number of bars that were missed, or -1 with an error
 * frame. */
int shm_bench(const char *parent, uint32_t key_count, FILE *out) BTCF_MUST_CHECK;

#define BENCH_FEW_KEYS 1000u

#endif
