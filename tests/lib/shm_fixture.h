/* What the tests of the shared files need again and again: a directory in memory that goes away, a writer with small
 * sizes, documents out of literals, and a reader on the result.
 */
#ifndef TESTS_LIB_SHM_FIXTURE_H
#define TESTS_LIB_SHM_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"
#include "shm/reader.h"
#include "shm/writer.h"

struct shm_fixture {
    char dir[64], pub[96], edge[96];
};

/* In /dev/shm where there is one, because that is where the files live in production. Ends the program on failure. */
static inline void shm_fixture_init(struct shm_fixture *fixture)
{
    bool has_shm = access("/dev/shm", W_OK) == 0;

    snprintf(fixture->dir, sizeof(fixture->dir), "%s/btcf-test-XXXXXX", has_shm ? "/dev/shm" : "/tmp");
    if (mkdtemp(fixture->dir) == NULL) {
        perror(fixture->dir);
        exit(1);
    }
    snprintf(fixture->pub, sizeof(fixture->pub), "%s/" BTCF_PUB_FILE, fixture->dir);
    snprintf(fixture->edge, sizeof(fixture->edge), "%s/" BTCF_EDGE_FILE, fixture->dir);
}

/* Number of files in the directory; with `remove`, removes them. */
static inline int shm_fixture_sweep(const struct shm_fixture *fixture, bool remove)
{
    DIR *dir = opendir(fixture->dir);
    const struct dirent *entry;
    int count = 0;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (remove)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return count;
}

static inline void shm_fixture_release(const struct shm_fixture *fixture)
{
    shm_fixture_sweep(fixture, true);
    rmdir(fixture->dir);
}

static inline struct writer_options shm_options(const struct shm_fixture *fixture)
{
    return (struct writer_options){.dir = fixture->dir,
                                   .build = "test",
                                   .doc_count_max = 4,
                                   .doc_bytes_max = 1024,
                                   .event_count = 4,
                                   .dist_count_max = 2,
                                   .mode = 0640};
}

static inline struct writer_body shm_text(const char *text)
{
    return (struct writer_body){text, strlen(text)};
}

static inline struct writer_doc shm_doc(const char *key, const char *fresh, const char *stale)
{
    return (struct writer_doc){.key = key,
                               .doc_class = BTCF_DOC_FORECAST,
                               .type = BTCF_TYPE_JSON,
                               .published_ms = 1700000000123,
                               .stale_at_ms = 1700000001000,
                               .expires_at_ms = 1700000002000,
                               .cost_units = 3,
                               .fresh = shm_text(fresh),
                               .stale = shm_text(stale),
                               .etag_fresh = 0x1111,
                               .etag_stale = 0x2222};
}

/* A whole file as bytes, 8-byte aligned, from malloc. */
static inline unsigned char *shm_load(const char *path, size_t *size)
{
    struct stat st;
    unsigned char *bytes = NULL;
    int fd = open(path, O_RDONLY);

    if (fd >= 0 && fstat(fd, &st) == 0) {
        *size = (size_t)st.st_size;
        bytes = malloc(*size);
        if (bytes != NULL && read(fd, bytes, *size) != st.st_size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    if (bytes == NULL) {
        perror(path);
        exit(1);
    }
    return bytes;
}

/* Puts a file in place as a writer would: complete under another name, then renamed. */
static inline void shm_save(const char *path, const unsigned char *bytes, size_t size)
{
    char tmp[4200];
    int fd;

    snprintf(tmp, sizeof(tmp), "%s.copy", path);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) < 0 || rename(tmp, path) < 0) {
        perror(tmp);
        exit(1);
    }
}

#endif
