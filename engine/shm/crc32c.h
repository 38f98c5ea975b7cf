/* CRC-32C, the checksum of everything that is read from a shared file. libc only; linked into nginx. */
#ifndef BTCF_SHM_CRC32C_H
#define BTCF_SHM_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli) of `len` bytes, continuing from `crc` (0 to begin), so that the checksum of two pieces is
 * btcf_crc32c(btcf_crc32c(0, a, a_len), b, b_len). RFC 3720 appendix B.4 has vectors. */
uint32_t btcf_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
