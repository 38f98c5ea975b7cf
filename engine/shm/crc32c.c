/* CRC-32C with the instruction that x86 (SSE 4.2, 2008) and ARM (ARMv8.1) have for it, chosen when the program runs.
 *
 * The polynomial is Castagnoli's 0x1EDC6F41, here reflected (0x82F63B78): of the 32-bit polynomials it is the one that
 * both instruction sets compute, and at the length of our documents it notices every change of up to five bits
 * (Koopman, "32-bit cyclic redundancy codes for Internet applications", 2002). The instruction takes eight bytes in
 * three cycles: 2 KB in a quarter of a microsecond, which is why we do without the usual three interleaved streams.
 * The fallback goes by half bytes over a table of sixteen words: some ten times slower, for machines that nobody runs
 * a service on, and so small that it can be checked by eye.
 */
#include "shm/crc32c.h"

#include <stdbool.h>
#include <string.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

/* entry i: the CRC register after shifting out the four bits i. */
static const uint32_t half_byte[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t update_by_table(uint32_t crc, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ half_byte[crc & 15];
        crc = crc >> 4 ^ half_byte[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) static uint32_t update_by_instruction(uint32_t crc, const unsigned char *bytes,
                                                                        size_t len)
{
    uint64_t wide = crc;
    uint64_t word;

    for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; len--)
        crc = __builtin_ia32_crc32qi(crc, *bytes++);
    return crc;
}

#elif defined(__aarch64__)

static bool has_instruction(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

/* In assembler because the intrinsics exist only when the whole file is compiled for a processor that has them. */
static uint32_t update_by_instruction(uint32_t crc, const unsigned char *bytes, size_t len)
{
    uint64_t word;

    for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    }
    for (; len > 0; len--)
        __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"((uint32_t)*bytes++));
    return crc;
}

#else

static bool has_instruction(void)
{
    return false;
}

static uint32_t update_by_instruction(uint32_t crc, const unsigned char *bytes, size_t len)
{
    return update_by_table(crc, bytes, len);
}

#endif

uint32_t btcf_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    /* The register begins and ends inverted; inverting on the way in as well lets pieces be joined. */
    if (has_instruction())
        return ~update_by_instruction(~crc, bytes, len);
    return ~update_by_table(~crc, bytes, len);
}
