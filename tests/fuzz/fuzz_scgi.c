/* SCGI requests from nowhere: parsed and made into a request, whatever they are; texts stay inside the bytes given. */
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "http/message.h"

#define ARENA_MAX ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct scgi_request scgi;
    struct http_request request;

    if (arena == NULL)
        arena = arena_create("fuzz", ARENA_MAX);
    arena_reset(arena);
    err_clear();
    if (scgi_parse((struct str){(const char *)data, size}, &scgi) != SCGI_WHOLE)
        return 0;
    for (size_t i = 0; i < scgi.count; i++)
        if (scgi.values[i].ptr < (const char *)data ||
            scgi.values[i].ptr + scgi.values[i].len > (const char *)data + size)
            abort();
    if (http_request_make(arena, &scgi, &request) == 0)
        for (size_t i = 0; i < request.query_count; i++)
            if (strlen(request.query[i].value) > size)
                abort();
    return 0;
}
