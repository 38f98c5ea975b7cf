/* What pub.v1 and edge.v1 have in common: a mapped file with a checked header and a table of sections. libc only;
 * linked into nginx. Readers and writers of documents use reader.h, edge.h and writer.h; only those use this.
 */
#ifndef BTCF_SHM_FILE_H
#define BTCF_SHM_FILE_H

#include "core/base.h"
#include "shm/btcf_abi.h"
#include "shm/reader.h"

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

/* To the next multiple of `step`. */
static inline uint64_t btcf_round_up(uint64_t n, uint64_t step)
{
    return (n + step - 1) / step * step;
}

/* What a writer knows about its new file. */
struct btcf_header_options {
    const char *magic, *build;
    const struct btcf_section *sections;
    uint32_t section_count;
    uint64_t fence, gen_floor;
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

/* Copies the entry of the section of this kind. False when there is none of a version that we know, or when it does
 * not lie inside the `size` bytes, or its entries have another stride or do not fit into it. */
bool btcf_section_find(const void *base, uint64_t size, const struct btcf_section_shape *shape,
                       struct btcf_section *section) BTCF_MUST_CHECK;

#endif
