/* The protocol of the shared files in code: word copies, and the double buffer behind a generation number.
 *
 *   writer   next = gen + 1                          reader   gen = btcf_gen_load(&x->gen)        0: never published
 *            i = btcf_gen_begin(next)                         btcf_words_load(copy, &x->buf[gen & 1])
 *            btcf_words_store(&x->buf[i], ...)                if btcf_gen_is_still(&x->gen, gen): the copy is good
 *            btcf_gen_commit(&x->gen, next)                   else it may be torn: try again, at most a few times
 *
 * Nothing is ever odd or locked: a writer killed at any instruction leaves gen, and the buffer that gen names, intact.
 *
 * Why a torn copy is always noticed: the bytes of buf[g & 1] change again only while g + 2 is being prepared, after
 * g + 1 was stored in gen and after the release fence of btcf_gen_begin. A reader that saw one such byte has passed
 * its acquire fence after it, so by the rule of two fences (C11 7.17.4) its second load of gen sees g + 1 or later.
 *
 * Why not memcpy: the bytes may change while they are read, which is undefined for plain accesses; a compiler may even
 * read twice. Relaxed atomic words cost the same instructions and have no such freedom. Why not a seqlock (odd while
 * writing): its readers must wait for a writer that may be dead. docs/SHM.md has the proof in full.
 */
#ifndef BTCF_SHM_SEQ_H
#define BTCF_SHM_SEQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Shared bytes are read and written as these, whatever struct lies there. */
typedef uint64_t __attribute__((may_alias)) btcf_word;

#define BTCF_WORD_SIZE sizeof(btcf_word)

/* Copies `len` bytes out of shared memory. src is 8-byte aligned and readable up to the next multiple of 8. */
static inline void btcf_words_load(void *dst, const void *src, size_t len)
{
    const btcf_word *from = (const btcf_word *)src;
    unsigned char *to = (unsigned char *)dst;
    size_t rest = len % BTCF_WORD_SIZE;
    btcf_word word;

    for (; len >= BTCF_WORD_SIZE; len -= BTCF_WORD_SIZE, to += BTCF_WORD_SIZE) {
        word = __atomic_load_n(from++, __ATOMIC_RELAXED);
        memcpy(to, &word, BTCF_WORD_SIZE);
    }
    if (rest > 0) {
        word = __atomic_load_n(from, __ATOMIC_RELAXED);
        memcpy(to, &word, rest);
    }
}

/* Copies `len` bytes into shared memory and zeroes the rest of the last word. dst is 8-byte aligned. */
static inline void btcf_words_store(void *dst, const void *src, size_t len)
{
    btcf_word *to = (btcf_word *)dst;
    const unsigned char *from = (const unsigned char *)src;
    btcf_word word;

    for (; len >= BTCF_WORD_SIZE; len -= BTCF_WORD_SIZE, from += BTCF_WORD_SIZE) {
        memcpy(&word, from, BTCF_WORD_SIZE);
        __atomic_store_n(to++, word, __ATOMIC_RELAXED);
    }
    if (len > 0) {
        word = 0;
        memcpy(&word, from, len);
        __atomic_store_n(to, word, __ATOMIC_RELAXED);
    }
}

/* The two fences. ThreadSanitizer does not model fences, and gcc says so (-Wtsan); it loses nothing here, because
 * every access between them is atomic. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
static inline void btcf_fence_release(void)
{
    atomic_thread_fence(memory_order_release);
}

static inline void btcf_fence_acquire(void)
{
    atomic_thread_fence(memory_order_acquire);
}
#if defined(__GNUC__) && !defined(__clang__) && defined(__SANITIZE_THREAD__)
#pragma GCC diagnostic pop
#endif

/* Writer: opens the buffer of generation `next` for writing and returns its index. */
static inline unsigned btcf_gen_begin(uint64_t next)
{
    /* Orders the store of the generation before this one in front of the data stores that follow.
     * Partner: the acquire fence of btcf_gen_is_still. */
    btcf_fence_release();
    return (unsigned)(next & 1);
}

/* Writer: makes generation `next` the current one. */
static inline void btcf_gen_commit(_Atomic uint64_t *gen, uint64_t next)
{
    /* Orders the data stores in front of this one. Partner: the acquire load of btcf_gen_load. */
    atomic_store_explicit(gen, next, memory_order_release);
}

/* Reader: the current generation; 0 when nothing was ever published. */
static inline uint64_t btcf_gen_load(const _Atomic uint64_t *gen)
{
    /* Partner: the release store of btcf_gen_commit. */
    return atomic_load_explicit(gen, memory_order_acquire);
}

/* Reader: true when what was copied since btcf_gen_load returned `gen` is of that generation, whole. */
static inline bool btcf_gen_is_still(const _Atomic uint64_t *gen_word, uint64_t gen)
{
    /* Orders the data loads in front of this load. Partner: the release fence of btcf_gen_begin. */
    btcf_fence_acquire();
    return atomic_load_explicit(gen_word, memory_order_relaxed) == gen;
}

#endif
