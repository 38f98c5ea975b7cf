/* Arenas as a list of blocks that grow by doubling up to a step, with the cap counted over what is handed out.
 * There is no free list and no realloc: an arena is for memory whose end is known when it begins.
 */
#include "core/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAGIC 0x61726e61u
#define BLOCK_SIZE_FIRST ((size_t)8 << 10)
#define BLOCK_SIZE_STEP_MAX ((size_t)1 << 20)

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct cleanup {
    struct cleanup *next;
    void (*fn)(void *ptr);
    void *ptr;
};

struct arena {
    uint32_t magic;
    const char *name;
    size_t bytes_max, bytes_used;
    struct block *blocks; /* newest first; the first block ever made is last */
    struct cleanup *cleanups;
};

static BTCF_NORETURN void out_of_memory(const char *name, size_t size, size_t max)
{
    fprintf(stderr, "btcf: arena %s: %zu bytes asked for, cap %zu: out of memory, ending\n", name, size, max);
    abort();
}

static struct block *block_create(const struct arena *arena, size_t size)
{
    struct block *block = malloc(sizeof *block + size);

    if (block == NULL)
        out_of_memory(arena->name, size, arena->bytes_max);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

struct arena *arena_create(const char *name, size_t bytes_max)
{
    struct arena *arena = calloc(1, sizeof *arena);

    if (arena == NULL)
        out_of_memory(name, sizeof *arena, bytes_max);
    arena->magic = ARENA_MAGIC;
    arena->name = name;
    arena->bytes_max = bytes_max;
    arena->blocks = block_create(arena, BLOCK_SIZE_FIRST);
    return arena;
}

void arena_reset(struct arena *arena)
{
    while (arena->cleanups != NULL) {
        struct cleanup *cleanup = arena->cleanups;

        arena->cleanups = cleanup->next; /* unlinked first: a cleanup may register another */
        cleanup->fn(cleanup->ptr);
    }
    while (arena->blocks->next != NULL) {
        struct block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
    arena->blocks->used = 0;
    arena->bytes_used = 0;
}

void arena_free(struct arena **arena)
{
    if (*arena == NULL)
        return;
    arena_reset(*arena);
    free((*arena)->blocks);
    (*arena)->magic = 0;
    free(*arena);
    *arena = NULL;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);

    if (size > SIZE_MAX - align || size > arena->bytes_max)
        out_of_memory(arena->name, size, arena->bytes_max);
    size = (size + align - 1) & ~(align - 1);
    if (size > arena->bytes_max - arena->bytes_used)
        out_of_memory(arena->name, size, arena->bytes_max);

    struct block *block = arena->blocks;
    if (size > block->size - block->used) {
        size_t next = block->size < BLOCK_SIZE_STEP_MAX ? block->size * 2 : BLOCK_SIZE_STEP_MAX;

        block = block_create(arena, size > next ? size : next);
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *ptr = block->bytes + block->used;
    block->used += size;
    arena->bytes_used += size;
    memset(ptr, 0, size);
    return ptr;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(arena->name, SIZE_MAX, arena->bytes_max);
    return arena_alloc(arena, total);
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);

    memcpy(copy, text, len);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        abort();

    char *text = arena_alloc(arena, (size_t)len + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

void arena_on_release(struct arena *arena, void (*fn)(void *ptr), void *ptr)
{
    struct cleanup *cleanup = arena_alloc(arena, sizeof *cleanup);

    cleanup->fn = fn;
    cleanup->ptr = ptr;
    cleanup->next = arena->cleanups;
    arena->cleanups = cleanup;
}

size_t arena_used(const struct arena *arena)
{
    return arena->bytes_used;
}
