/* Any bytes as a text: jansson can read what the writer made of them, and gets the same bytes back when they were UTF-8. */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "core/json.h"

#define TEXT_SIZE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf buf;
    struct json json;

    if (size > TEXT_SIZE_MAX)
        return 0;
    strbuf_init(&buf, TEXT_SIZE_MAX * 6 + 64);
    json_init(&json, &buf);
    json_open(&json, '[');
    json_text_len(&json, (const char *)data, size);
    json_close(&json, ']');
    assert(!strbuf_failed(&buf));

    json_t *list = json_loadb(buf.ptr, buf.len, JSON_ALLOW_NUL, NULL);
    assert(list != NULL);
    const json_t *read = json_array_get(list, 0);
    json_t *same = json_stringn((const char *)data, size); /* NULL when the bytes are not UTF-8 */
    if (same != NULL)
        assert(json_string_length(read) == size && memcmp(json_string_value(read), data, size) == 0);
    json_decref(same);
    json_decref(list);
    strbuf_release(&buf);
    return 0;
}
