/* Memory that belongs to a lifetime: a request, a job, a publication. Everything allocated in it dies with it.
 *
 * An arena has a name and a hard cap. Going over the cap, or the system refusing memory, is fatal for the process
 * and says so loudly (the supervisor restarts the role); so allocation never returns NULL and no caller checks.
 * Nobody frees inside an arena. Things that are not memory (files, results) register a cleanup.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include "core/base.h"

struct arena;

/* `name` is borrowed for the arena's life (a literal); `bytes_max` is the cap over all blocks. Never NULL. */
struct arena *arena_create(const char *name, size_t bytes_max);

/* Runs the cleanups, newest first, and frees everything. Nulls the caller's variable. NULL inside is allowed. */
void arena_free(struct arena **arena);

/* As arena_free followed by arena_create, but keeps the first block: for loops that reuse one arena. */
void arena_reset(struct arena *arena);

/* `size` bytes, aligned for any type; zeroed. */
void *arena_alloc(struct arena *arena, size_t size);

/* `count` elements of `size` bytes, overflow-checked; zeroed. */
void *arena_array(struct arena *arena, size_t count, size_t size);

char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_printf(struct arena *arena, const char *fmt, ...) BTCF_PRINTF(2, 3);

/* Calls fn(ptr) when the arena is reset or freed, in reverse order of registration. */
void arena_on_release(struct arena *arena, void (*fn)(void *ptr), void *ptr);

/* Bytes handed out so far. */
size_t arena_used(const struct arena *arena);

#endif
