/* Any bytes as a settings file: it is refused with an error of kind input, or loaded; and what was loaded comes back from
 * its own dump. The file is in memory; the environment is empty.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/err.h"
#include "core/settings.h"

#define DUMP_SIZE_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load(struct settings *settings, const void *bytes, size_t size)
{
    char path[64];
    int fd = memfd_create("settings", 0);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = settings_load(settings, path);
    close(fd);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings;
    struct strbuf first, second;

    clearenv();
    if (load(&settings, data, size) < 0) {
        assert(err_kind() == E_INPUT);
        assert(err_text()[0] != '\0');
        return 0;
    }
    strbuf_init(&first, DUMP_SIZE_MAX);
    strbuf_init(&second, DUMP_SIZE_MAX);
    settings_dump(&settings, &first);
    settings_release(&settings);
    int rc = load(&settings, first.ptr, first.len);
    assert(rc == 0);
    settings_dump(&settings, &second);
    assert(strcmp(first.ptr, second.ptr) == 0);
    settings_release(&settings);
    strbuf_release(&first);
    strbuf_release(&second);
    return 0;
}
