/* Any text: our strict number parsers agree with libc's wherever both accept, and accept nothing that libc would cut. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str slice = {(const char *)data, size};
    char *text = strndup((const char *)data, size), *end;
    int64_t integer;
    double number;

    if (str_parse_i64(slice, &integer) == 0) {
        errno = 0;
        long long expected = strtoll(text, &end, 10);
        assert(errno == 0 && *end == '\0' && expected == integer && strlen(text) == size);
    }
    if (str_parse_double(slice, &number) == 0) {
        double expected = strtod(text, &end);
        assert(*end == '\0' && isfinite(number) && memcmp(&expected, &number, sizeof number) == 0 &&
               strlen(text) == size);
    }
    free(text);
    return 0;
}
