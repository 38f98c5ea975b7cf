/* A human view of the shared files, for `btcf shm dump`. Reads like a worker and is as careful: a damaged file is shown
 * as far as it can be followed, with what is wrong said beside it.
 */
#ifndef SHM_DUMP_H
#define SHM_DUMP_H

#include <stdio.h>

#include "core/base.h"

/* Writes what pub.v1 and edge.v1 in `dir` hold. Returns the number of problems that were found, so 0 means sound;
 * a file that does not exist is said, and is one. `now_ms` is the wall clock that ages are counted from. */
int shm_dump(const char *dir, int64_t now_ms, FILE *out);

#endif
