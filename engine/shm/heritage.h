/* What a new pub goes on from: the generations, counters and events of the file before it.
 *
 * A client resumes a stream by an event's id and a worker tells versions apart by their generation, so neither may
 * begin anew when a publisher does. The old file is read as a stranger's: through the checked reader, or not at all.
 */
#ifndef SHM_HERITAGE_H
#define SHM_HERITAGE_H

#include "core/arena.h"
#include "core/base.h"
#include "shm/reader.h"

/* A generation that the old file reached, under the hash that the key had there. */
struct heritage_entry {
    uint64_t hash, gen;
};

/* Zeroed: nothing to go on from. The lists lie in the arena given to heritage_open. */
struct heritage {
    struct btcf_reader reader; /* the old file, until heritage_close */
    uint64_t hash_seed;
    struct heritage_entry *docs, *dists;
    uint32_t doc_count, dist_count;
};

/* Takes over what `path` holds. A missing, damaged or foreign file is no error: there is then nothing to go on from. */
void heritage_open(struct heritage *heritage, const char *path, struct arena *arena);

/* Lets go of the old file; the generations stay. */
void heritage_close(struct heritage *heritage);

/* The last generation of the document or curve with this key; 0 when it was never published. */
uint64_t heritage_doc_gen(const struct heritage *heritage, const char *key);
uint64_t heritage_dist_gen(const struct heritage *heritage, const char *key);

#endif
