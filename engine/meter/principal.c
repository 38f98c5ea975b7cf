/* See principal.h. PostgreSQL refuses a text with a NUL or half a UTF-8 character, and with it the whole transaction; a
 * subject that was cut at the end of its entry may end in half of one.
 */
#include "meter/principal.h"

#include <stdatomic.h>

#include "core/arena.h"
#include "shm/btcf_seq.h"

static char *add_byte(char *end, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    if (byte >= ' ' && byte < 0x7f && byte != '%') {
        *end++ = (char)byte;
        return end;
    }
    *end++ = '%';
    *end++ = digits[byte >> 4];
    *end++ = digits[byte & 15];
    return end;
}

const char *principal_read(const struct btcf_pool_entry *entry, struct arena *arena)
{
    char subject[BTCF_SUBJECT_MAX];
    /* Partner: the release store of the length in btcf_pool_find: who sees a length sees all of the subject. */
    uint32_t len = atomic_load_explicit(&entry->subject_len, memory_order_acquire);
    uint64_t hash = atomic_load_explicit(&entry->hash, memory_order_relaxed);

    if (len == 0 || len > BTCF_SUBJECT_MAX)
        return NULL;
    btcf_words_load(subject, entry->subject, sizeof(subject));
    btcf_fence_acquire();
    if (atomic_load_explicit(&entry->hash, memory_order_relaxed) != hash ||
        atomic_load_explicit(&entry->subject_len, memory_order_relaxed) != len)
        return NULL;

    char *text = arena_alloc(arena, 3 * (size_t)len + 1), *end = text;
    for (uint32_t i = 0; i < len; i++)
        end = add_byte(end, (unsigned char)subject[i]);
    *end = '\0';
    return text;
}
