/* A window of fixed size slides over the input. The line at hand always lies whole in the window; when the window is full
 * and holds no line end, the line is too long, and what follows is thrown away up to its end.
 */
#include "market/lines.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"

#define WINDOW_SIZE (256 << 10)
#define BOM "\xef\xbb\xbf"

_Static_assert(WINDOW_SIZE > 2 * LINE_LEN_MAX, "the window holds a whole line behind a whole line");

struct lines {
    int fd;
    bool at_end;
    int64_t number, bytes_read, bytes_total;
    size_t begin, end; /* of what is in the window and not yet handed out */
    char window[WINDOW_SIZE];
};

static int fill(struct lines *lines);
static int skip_long(struct lines *lines, struct line *line);
static void hand_out(struct lines *lines, struct line *line, size_t len, enum line_kind kind);

int lines_open(struct lines **out, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return err_set(E_INPUT, "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, &status) < 0 || S_ISDIR(status.st_mode)) {
        if (!is_stdin)
            close(fd);
        return err_set(E_INPUT, "%s is not a file", path);
    }
    struct lines *lines = calloc(1, sizeof(*lines));
    if (lines == NULL)
        abort();
    lines->fd = fd;
    lines->bytes_total = S_ISREG(status.st_mode) ? (int64_t)status.st_size : -1;
    if (fill(lines) < 0) {
        lines_close(&lines);
        return err_wrap("%s", path);
    }
    if (lines->end >= strlen(BOM) && memcmp(lines->window, BOM, strlen(BOM)) == 0)
        lines->begin = strlen(BOM);
    *out = lines;
    return 0;
}

void lines_close(struct lines **handle)
{
    struct lines *lines = *handle;

    *handle = NULL;
    if (lines == NULL)
        return;
    if (lines->fd != STDIN_FILENO)
        close(lines->fd);
    free(lines);
}

int64_t lines_bytes_read(const struct lines *lines)
{
    return lines->bytes_read - (int64_t)(lines->end - lines->begin);
}

int64_t lines_bytes_total(const struct lines *lines)
{
    return lines->bytes_total;
}

int lines_next(struct lines *lines, struct line *line)
{
    for (;;) {
        const char *at = &lines->window[lines->begin];
        size_t have = lines->end - lines->begin;
        const char *end = memchr(at, '\n', have);

        if (end != NULL && (size_t)(end - at) <= LINE_LEN_MAX) {
            hand_out(lines, line, (size_t)(end - at), LINE_WHOLE);
            lines->begin++;
            return 0;
        }
        if (end != NULL || have > LINE_LEN_MAX)
            return skip_long(lines, line);
        if (lines->at_end) {
            hand_out(lines, line, have, have == 0 ? LINE_END : LINE_UNENDED);
            return 0;
        }
        if (fill(lines) < 0)
            return err_wrap("after line %lld", (long long)lines->number);
    }
}

/* The next `len` bytes as a line; a carriage return at its end belongs to the line end. */
static void hand_out(struct lines *lines, struct line *line, size_t len, enum line_kind kind)
{
    struct str text = {&lines->window[lines->begin], len};

    lines->begin += len;
    if (kind != LINE_END)
        lines->number++;
    if (text.len > 0 && kind == LINE_WHOLE && text.ptr[text.len - 1] == '\r')
        text.len--;
    *line = (struct line){.kind = kind, .text = text, .number = lines->number};
}

/* Throws away everything up to and with the next line end. */
static int skip_long(struct lines *lines, struct line *line)
{
    lines->number++;
    *line = (struct line){.kind = LINE_LONG, .number = lines->number};
    for (;;) {
        const char *at = &lines->window[lines->begin];
        const char *end = memchr(at, '\n', lines->end - lines->begin);

        if (end != NULL) {
            lines->begin += (size_t)(end - at) + 1;
            return 0;
        }
        lines->begin = lines->end;
        if (lines->at_end)
            return 0;
        if (fill(lines) < 0)
            return err_wrap("in line %lld", (long long)lines->number);
    }
}

/* Moves what is left to the front and reads behind it. */
static int fill(struct lines *lines)
{
    size_t left = lines->end - lines->begin;
    ssize_t got;

    assert(left < WINDOW_SIZE);
    memmove(lines->window, &lines->window[lines->begin], left);
    lines->begin = 0;
    lines->end = left;
    do
        got = read(lines->fd, &lines->window[left], WINDOW_SIZE - left);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set(E_STORE, "cannot read: %s", strerror(errno));
    lines->at_end = got == 0;
    lines->end += (size_t)got;
    lines->bytes_read += got;
    return 0;
}
