/* Collects (hash, generation) pairs from the old file's two tables. Keys are not kept: the seed is, and with it the
 * hash that any key had in the old file can be made again when the key turns up.
 */
#include "shm/heritage.h"

#include <string.h>

void heritage_open(struct heritage *heritage, const char *path, struct arena *arena)
{
    struct btcf_reader *old = &heritage->reader;

    memset(heritage, 0, sizeof(*heritage));
    if (btcf_reader_open(old, path) != BTCF_ATTACH_OK)
        return;
    heritage->hash_seed = old->hash_seed;
    heritage->docs = arena_array(arena, old->slot_count, sizeof(*heritage->docs));
    heritage->dists = arena_array(arena, (size_t)old->dist_count + 1, sizeof(*heritage->dists));
    /* All loads relaxed: the writer of that file is dead, since we hold its lock. */
    for (uint32_t i = 0; i < old->slot_count; i++) {
        uint64_t hash = atomic_load_explicit(&old->slots[i].hash, memory_order_relaxed);

        if (hash != 0)
            heritage->docs[heritage->doc_count++] =
                (struct heritage_entry){hash, atomic_load_explicit(&old->slots[i].gen, memory_order_relaxed)};
    }
    for (uint32_t i = 0; i < old->dist_count; i++) {
        uint64_t hash = atomic_load_explicit(&old->dists[i].hash, memory_order_relaxed);

        if (hash != 0)
            heritage->dists[heritage->dist_count++] =
                (struct heritage_entry){hash, atomic_load_explicit(&old->dists[i].gen, memory_order_relaxed)};
    }
}

void heritage_close(struct heritage *heritage)
{
    btcf_reader_close(&heritage->reader);
}

static uint64_t find_gen(const struct heritage *heritage, const struct heritage_entry *list, uint32_t count,
                         const char *key)
{
    uint64_t hash = btcf_doc_hash(heritage->hash_seed, key, strlen(key));

    for (uint32_t i = 0; i < count; i++)
        if (list[i].hash == hash)
            return list[i].gen;
    return 0;
}

uint64_t heritage_doc_gen(const struct heritage *heritage, const char *key)
{
    return find_gen(heritage, heritage->docs, heritage->doc_count, key);
}

uint64_t heritage_dist_gen(const struct heritage *heritage, const char *key)
{
    return find_gen(heritage, heritage->dists, heritage->dist_count, key);
}
