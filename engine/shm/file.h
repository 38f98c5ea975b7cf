/* What pub.v1 and edge.v1 have in common: a mapped file with a checked header and a table of sections. libc only;
 * linked into nginx. Readers and writers of documents use reader.h, edge.h and writer.h; only those use this.
 */
#ifndef BTCF_SHM_FILE_H
#define BTCF_SHM_FILE_H

#include "core/base.h"
#include "shm/btcf_abi.h"
#include "shm/reader.h"

#define BTCF_SEED_SIZE 8 /* bytes of the instance that hashes are seeded with */

/* A mapped file. Zeroed: none. */
struct btcf_file {
    unsigned char *base;
    uint64_t size;
    uint64_t device, inode;
};

/* Mode bits that make a file of ours untrustworthy: pub has one writer, its owner; edge is shared by a group. */
#define BTCF_PUB_FORBIDDEN_MODE 0022u
#define BTCF_EDGE_FORBIDDEN_MODE 0002u

struct btcf_file_options {
    bool is_writable;
    uint32_t forbidden_mode;
};

/* Maps a regular file (never through a symbolic link) of at least one header. Says nothing about its contents. */
enum btcf_attach btcf_file_open(struct btcf_file *file, const char *path,
                                const struct btcf_file_options *options) BTCF_MUST_CHECK;

/* Makes the file, which must not exist, with every page of it allocated (a full tmpfs says so here, not later as a
 * SIGBUS), and maps it writable. `size` bytes of zeros. 0, or -1 with errno and no file left. */
int btcf_file_create(struct btcf_file *file, const char *path, uint64_t size, uint32_t mode) BTCF_MUST_CHECK;

/* Unmaps and zeroes the struct. */
void btcf_file_close(struct btcf_file *file);

/* The 32 hex digits of the boot id as 16 bytes; zeros when the kernel does not say. */
void btcf_boot_id(uint8_t boot_id[16]);

/* To the next multiple of `step`. */
static inline uint64_t btcf_round_up(uint64_t n, uint64_t step)
{
    return (n + step - 1) / step * step;
}

/* The least power of two that is not below `n`; `n` is at most 2^31. */
static inline uint32_t btcf_power_of_two_from(uint32_t n)
{
    uint32_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

#define BTCF_PAGE_SIZE UINT64_C(4096)

/* What a writer knows about its new file. */
struct btcf_header_options {
    const char *magic, *build;
    const struct btcf_section *sections;
    uint32_t section_count;
    uint64_t fence, gen_floor;
    const uint8_t *seed; /* the first eight bytes of the instance, where hashes are to go on; NULL: random */
};

/* Writes the header of a file that nobody else sees yet: everything but state LIVE. 0, or -1 with errno when the kernel
 * gives no random bytes for the instance. */
int btcf_header_fill(struct btcf_file *file, const struct btcf_header_options *options) BTCF_MUST_CHECK;

/* The header's checksum. The header lies in mapped memory of at least header_size bytes. */
uint32_t btcf_header_crc(const void *base, uint32_t header_size);

/* Everything that a reader of either file checks before it looks at a section. */
enum btcf_attach btcf_header_check(const void *base, uint64_t size, const char *magic) BTCF_MUST_CHECK;

/* What a reader expects of a section. */
struct btcf_section_shape {
    uint32_t kind, stride;
    uint32_t prefix_size; /* bytes before the first entry */
};

/* Where a section of `count` entries lies when it begins at `offset`; returns where the next one may begin, on a page. */
uint64_t btcf_section_place(struct btcf_section *section, uint64_t offset, const struct btcf_section_shape *shape,
                            uint32_t count);

/* Copies the entry of the section of this kind. False when there is none of a version that we know, or when it does
 * not lie inside the `size` bytes, or its entries have another stride or do not fit into it. */
bool btcf_section_find(const void *base, uint64_t size, const struct btcf_section_shape *shape,
                       struct btcf_section *section) BTCF_MUST_CHECK;

#endif
