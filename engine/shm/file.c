/* Mapping the shared files, and the checks and the birth that both kinds share.
 *
 * The header is read as hostile: it is copied out word by word, once, and the copy is what gets checked, so that no
 * value can change between its check and its use. The checksum over the immutable part tells a flipped bit from a
 * file of another make, which the earlier checks name more precisely.
 */
#include "shm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shm/btcf_seq.h"
#include "shm/crc32c.h"

#define CHANGING_BEGIN offsetof(struct btcf_header, state)
#define CHANGING_END offsetof(struct btcf_header, boot_id)
#define SECTIONS_OFFSET offsetof(struct btcf_header, sections)
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

_Static_assert(CHANGING_BEGIN == 64 && CHANGING_END == 96, "the bounds that the ABI states for the checksum");

static enum btcf_attach map_checked(struct btcf_file *file, int fd, const struct btcf_file_options *options);

enum btcf_attach btcf_file_open(struct btcf_file *file, const char *path, const struct btcf_file_options *options)
{
    int fd = open(path, (options->is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        if (errno == ENOENT)
            return BTCF_ATTACH_NO_FILE;
        return errno == ELOOP ? BTCF_ATTACH_NOT_REGULAR : BTCF_ATTACH_SYSTEM;
    }

    enum btcf_attach why = map_checked(file, fd, options);
    int saved_errno = errno;

    close(fd);
    errno = saved_errno;
    return why;
}

static enum btcf_attach map_checked(struct btcf_file *file, int fd, const struct btcf_file_options *options)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return BTCF_ATTACH_SYSTEM;
    if (!S_ISREG(st.st_mode))
        return BTCF_ATTACH_NOT_REGULAR;
    if ((st.st_mode & options->forbidden_mode) != 0)
        return BTCF_ATTACH_BAD_OWNER;
    if (st.st_size < (off_t)sizeof(struct btcf_header))
        return BTCF_ATTACH_TOO_SHORT;
    if ((uint64_t)st.st_size > BTCF_FILE_SIZE_MAX)
        return BTCF_ATTACH_BAD_SECTIONS;

    int protection = PROT_READ | (options->is_writable ? PROT_WRITE : 0);
    void *base = mmap(NULL, (size_t)st.st_size, protection, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED)
        return BTCF_ATTACH_SYSTEM;
    *file = (struct btcf_file){.base = (unsigned char *)base,
                               .size = (uint64_t)st.st_size,
                               .device = (uint64_t)st.st_dev,
                               .inode = (uint64_t)st.st_ino};
    return BTCF_ATTACH_OK;
}

int btcf_file_create(struct btcf_file *file, const char *path, uint64_t size, uint32_t mode)
{
    const struct btcf_file_options writable = {.is_writable = true, .forbidden_mode = 0};
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -1;

    int failure = posix_fallocate(fd, 0, (off_t)size);

    if (failure == 0 && (fchmod(fd, (mode_t)mode) < 0 || map_checked(file, fd, &writable) != BTCF_ATTACH_OK))
        failure = errno;
    close(fd);
    if (failure == 0)
        return 0;
    unlink(path);
    errno = failure;
    return -1;
}

void btcf_file_close(struct btcf_file *file)
{
    if (file->base != NULL)
        munmap(file->base, (size_t)file->size);
    memset(file, 0, sizeof(*file));
}

void btcf_boot_id(uint8_t boot_id[16])
{
    char text[40] = "";
    unsigned digit_count = 0;
    int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);

    memset(boot_id, 0, 16);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof(text) - 1) < 36)
        text[0] = '\0';
    close(fd);
    for (const char *c = text; *c != '\0' && digit_count < 32; c++) {
        unsigned digit = *c >= '0' && *c <= '9' ? (unsigned)(*c - '0') : (unsigned)(*c - 'a') + 10;

        if (digit > 15)
            continue; /* the dashes */
        boot_id[digit_count / 2] = (uint8_t)((unsigned)boot_id[digit_count / 2] << 4 | digit);
        digit_count++;
    }
}

int btcf_header_fill(struct btcf_file *file, const struct btcf_header_options *options)
{
    struct btcf_header *header = (struct btcf_header *)file->base;
    struct timespec now;

    memcpy(header->magic, options->magic, sizeof(header->magic));
    header->byte_order = BTCF_BYTE_ORDER;
    header->major = BTCF_ABI_MAJOR;
    header->minor = BTCF_ABI_MINOR;
    header->header_size = sizeof(*header);
    header->section_count = options->section_count;
    header->total_size = file->size;
    if (getrandom(header->instance, sizeof(header->instance), 0) != (ssize_t)sizeof(header->instance))
        return -1;
    if (options->seed != NULL)
        memcpy(header->instance, options->seed, BTCF_SEED_SIZE);
    clock_gettime(CLOCK_REALTIME, &now);
    header->created_unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    header->layout_hash = BTCF_LAYOUT_HASH;
    btcf_boot_id(header->boot_id);
    header->publisher_fence = options->fence;
    header->gen_floor = options->gen_floor;
    memcpy(header->build, options->build, strnlen(options->build, sizeof(header->build) - 1));
    memcpy(header->sections, options->sections, options->section_count * sizeof(struct btcf_section));
    header->crc = btcf_header_crc(header, header->header_size);
    return 0;
}

uint32_t btcf_header_crc(const void *base, uint32_t header_size)
{
    const unsigned char *bytes = (const unsigned char *)base;
    struct btcf_section section;
    unsigned char fixed[SECTIONS_OFFSET];
    uint32_t crc;

    btcf_words_load(fixed, bytes, sizeof(fixed));
    memset(fixed + offsetof(struct btcf_header, crc), 0, sizeof(crc));
    crc = btcf_crc32c(0, fixed, CHANGING_BEGIN);
    crc = btcf_crc32c(crc, fixed + CHANGING_END, sizeof(fixed) - CHANGING_END);
    for (uint32_t at = SECTIONS_OFFSET; at < header_size; at += (uint32_t)sizeof(section)) {
        btcf_words_load(&section, bytes + at, sizeof(section));
        crc = btcf_crc32c(crc, &section, sizeof(section));
    }
    return crc;
}

static bool lies_inside(const struct btcf_section *section, uint64_t size)
{
    uint64_t end;

    return btcf_add_u64(section->offset, section->size, &end) && end <= size &&
           section->offset % BTCF_SECTION_ALIGN == 0;
}

static enum btcf_attach check_sizes(const struct btcf_header *header, const void *base, uint64_t size)
{
    struct btcf_section section;

    if (header->total_size > size)
        return BTCF_ATTACH_TOO_SHORT;
    if (header->header_size < SECTIONS_OFFSET || header->header_size > BTCF_HEADER_SIZE_MAX ||
        header->header_size > size || (header->header_size - SECTIONS_OFFSET) % sizeof(section) != 0 ||
        header->section_count > (header->header_size - SECTIONS_OFFSET) / sizeof(section))
        return BTCF_ATTACH_BAD_SECTIONS;
    if (header->crc != btcf_header_crc(base, header->header_size))
        return BTCF_ATTACH_BAD_CHECKSUM;
    for (uint32_t i = 0; i < header->section_count; i++) {
        btcf_words_load(&section, (const unsigned char *)base + SECTIONS_OFFSET + i * sizeof(section),
                        sizeof(section));
        if (!lies_inside(&section, header->total_size) || section.offset < header->header_size)
            return BTCF_ATTACH_BAD_SECTIONS;
    }
    return BTCF_ATTACH_OK;
}

enum btcf_attach btcf_header_check(const void *base, uint64_t size, const char *magic)
{
    struct btcf_header header;
    uint32_t state;

    if (size < sizeof(header))
        return BTCF_ATTACH_TOO_SHORT;
    /* Partner: the release store of LIVE at the end of a birth: what the writer filled before is seen below. */
    state = atomic_load_explicit(&((const struct btcf_header *)base)->state, memory_order_acquire);
    btcf_words_load(&header, base, SECTIONS_OFFSET);
    if (memcmp(header.magic, magic, sizeof(header.magic)) != 0)
        return BTCF_ATTACH_BAD_MAGIC;
    if (header.byte_order != BTCF_BYTE_ORDER)
        return BTCF_ATTACH_BAD_BYTE_ORDER;
    if (header.major != BTCF_ABI_MAJOR)
        return BTCF_ATTACH_BAD_MAJOR;
    if (header.layout_hash != BTCF_LAYOUT_HASH)
        return BTCF_ATTACH_BAD_LAYOUT;

    enum btcf_attach why = check_sizes(&header, base, size);

    if (why != BTCF_ATTACH_OK)
        return why;
    if (state == BTCF_STATE_RETIRED)
        return BTCF_ATTACH_RETIRED;
    return state == BTCF_STATE_LIVE ? BTCF_ATTACH_OK : BTCF_ATTACH_NOT_LIVE;
}

static bool has_shape(const struct btcf_section *section, const struct btcf_section_shape *shape)
{
    uint64_t entries_size, need;

    return section->stride == shape->stride && btcf_mul_u64(section->stride, section->count, &entries_size) &&
           btcf_add_u64(entries_size, shape->prefix_size, &need) && need <= section->size;
}

bool btcf_section_find(const void *base, uint64_t size, const struct btcf_section_shape *shape,
                       struct btcf_section *section)
{
    struct btcf_header header;
    uint32_t count;

    btcf_words_load(&header, base, SECTIONS_OFFSET);
    count = header.section_count;
    if (header.header_size < SECTIONS_OFFSET || header.header_size > size ||
        count > (header.header_size - SECTIONS_OFFSET) / sizeof(*section))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        btcf_words_load(section, (const unsigned char *)base + SECTIONS_OFFSET + i * sizeof(*section),
                        sizeof(*section));
        if (section->kind == shape->kind && section->version == BTCF_SECTION_VERSION)
            return lies_inside(section, size) && has_shape(section, shape);
    }
    return false;
}

uint64_t btcf_section_place(struct btcf_section *section, uint64_t offset, const struct btcf_section_shape *shape,
                            uint32_t count)
{
    uint64_t size = btcf_round_up(shape->prefix_size + (uint64_t)shape->stride * count, BTCF_SECTION_ALIGN);

    *section = (struct btcf_section){.kind = shape->kind,
                                     .version = BTCF_SECTION_VERSION,
                                     .offset = offset,
                                     .size = size,
                                     .stride = shape->stride,
                                     .count = count};
    return btcf_round_up(offset + size, BTCF_PAGE_SIZE);
}
