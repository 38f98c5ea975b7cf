/* The words every file may use: attributes, array length, overflow-safe sums.
 *
 * The only header that the libraries linked into nginx (shm, jose) may take from core, so it depends on nothing
 * but the compiler and <stddef.h>/<stdint.h>, declares no function with external linkage and defines no name that
 * nginx uses. Functions that must not be called at all are in core/banned.h, which the engine's build includes in
 * every file of its own.
 */
#ifndef BTCF_CORE_BASE_H
#define BTCF_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BTCF_MUST_CHECK __attribute__((warn_unused_result))
#define BTCF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define BTCF_NORETURN __attribute__((noreturn))
#define BTCF_UNUSED __attribute__((unused))
#define BTCF_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* a + b, or false when the sum does not fit; *sum is untouched then. For offsets that come from a file. */
static inline bool btcf_add_u64(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool btcf_mul_u64(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

#endif
