/* A directory of a test's own, gone when the test is. Of tests only; in a header so that each program stays one file. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_SIZE 256
#define SCRATCH_DESCRIPTORS 16

/* Makes a directory below $TMPDIR (or the system's place for such) that every account may enter; ends the test when
 * that fails. */
static inline void scratch_create(char path[SCRATCH_SIZE])
{
    const char *parent = getenv("TMPDIR");

    snprintf(path, SCRATCH_SIZE, "%s/btcf-test-XXXXXX", parent != NULL ? parent : P_tmpdir);
    if (mkdtemp(path) == NULL || chmod(path, 0755) < 0) {
        perror(path);
        abort();
    }
}

static inline int scratch_remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static inline void scratch_remove(const char *path)
{
    nftw(path, scratch_remove_one, SCRATCH_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

#endif
