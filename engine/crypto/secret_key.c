/* A file that is either whole or absent: it is written under another name and linked to its own, which fails when
 * somebody else was quicker. Losing that race is success, the winner's file is read.
 */
#include "crypto/secret_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"
#include "core/rand.h"

#define HEX_LEN ((size_t)2 * SEAL_KEY_SIZE)
#define FILE_MODE 0600
#define OTHERS_MODE 0077

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int secret_key_parse(struct str text, struct seal_key *key)
{
    bool ok = text.len == HEX_LEN;

    for (size_t i = 0; ok && i < SEAL_KEY_SIZE; i++) {
        int high = digit(text.ptr[2 * i]), low = digit(text.ptr[2 * i + 1]);

        ok = high >= 0 && low >= 0;
        key->bytes[i] = (unsigned char)(ok ? high << 4 | low : 0);
    }
    return ok ? 0
              : err_set(E_INPUT, "the secret is not %zu hex digits of lower case; `openssl rand -hex %d` makes one",
                        HEX_LEN, SEAL_KEY_SIZE);
}

/* Of an open file. Its name is for errors. */
static int read_key(int fd, const char *path, struct seal_key *key)
{
    char text[HEX_LEN + 2]; /* a newline, and a byte to see that more is there */
    struct stat info;

    if (fstat(fd, &info) < 0)
        return err_set(E_STORE, "cannot look at %s: %s", path, strerror(errno));
    if ((info.st_mode & OTHERS_MODE) != 0)
        return err_set(E_DENIED, "%s may be read by others (mode %03o); make it `chmod 600`", path,
                       info.st_mode & 0777u);
    ssize_t len = read(fd, text, sizeof(text));
    if (len < 0)
        return err_set(E_STORE, "cannot read %s: %s", path, strerror(errno));
    if ((size_t)len == HEX_LEN + 1 && text[HEX_LEN] == '\n')
        len--;
    int rc = secret_key_parse((struct str){text, (size_t)len}, key);
    OPENSSL_cleanse(text, sizeof(text));
    return rc < 0 ? err_set(E_CORRUPT, "%s does not hold a secret of %zu hex digits", path, HEX_LEN) : 0;
}

int secret_key_load(const char *path, struct seal_key *key)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(errno == ENOENT ? E_MISSING : E_STORE, "cannot read the secret in %s: %s", path,
                       strerror(errno));
    int rc = read_key(fd, path, key);
    close(fd);
    return rc;
}

static bool write_key(int fd, uid_t owner)
{
    char text[HEX_LEN + 2];

    rand_hex(text, HEX_LEN);
    text[HEX_LEN] = '\n';
    bool ok = write(fd, text, HEX_LEN + 1) == (ssize_t)(HEX_LEN + 1) && fsync(fd) == 0;
    OPENSSL_cleanse(text, sizeof(text));
    return ok && (geteuid() != 0 || fchown(fd, owner, (gid_t)-1) == 0);
}

int secret_key_create(const char *path, uid_t owner, struct seal_key *key)
{
    char fresh[PATH_MAX];

    snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
    unlink(fresh); /* of a process of this number that was killed here */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return err_set(E_STORE, "cannot make the secret %s: %s", path, strerror(errno));
    bool ok = write_key(fd, owner);
    ok = close(fd) == 0 && ok;
    ok = ok && (link(fresh, path) == 0 || errno == EEXIST);
    int error = errno;
    unlink(fresh);
    if (!ok)
        return err_set(E_STORE, "cannot make the secret %s: %s", path, strerror(error));
    return secret_key_load(path, key);
}
