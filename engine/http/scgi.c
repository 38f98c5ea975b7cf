/* See the header. Every length is checked before it is believed. */
#include "http/scgi.h"

#include <string.h>

#include "core/err.h"

#define LENGTH_DIGITS_MAX 6

static enum scgi_outcome broken(const char *why)
{
    (void)err_set(E_INPUT, "SCGI: %s", why);
    return SCGI_BROKEN;
}

/* "<length>:" in front: the length, and what follows it. */
static enum scgi_outcome parse_length(struct str *rest, size_t *length)
{
    size_t digits = 0;
    int64_t value;

    while (digits < rest->len && digits <= LENGTH_DIGITS_MAX && rest->ptr[digits] != ':')
        digits++;
    if (digits > LENGTH_DIGITS_MAX)
        return broken("the length of the head is too long");
    struct str text = {rest->ptr, digits};
    if (digits == rest->len)
        return digits == 0 || str_parse_i64(text, &value) == 0 ? SCGI_MORE
                                                               : broken("it does not begin with a length");
    if (str_parse_i64(text, &value) < 0 || value < 0 || value > SCGI_HEAD_MAX)
        return broken("the length of the head is no number up to 32768");
    *length = (size_t)value;
    *rest = (struct str){rest->ptr + digits + 1, rest->len - digits - 1};
    return SCGI_WHOLE;
}

/* One text that ends with NUL, cut off *rest; ptr NULL when there is none. */
static struct str cut_text(struct str *rest)
{
    const char *end = memchr(rest->ptr, '\0', rest->len);

    if (end == NULL)
        return (struct str){NULL, 0};
    struct str text = {rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (struct str){end + 1, rest->len - text.len - 1};
    return text;
}

static enum scgi_outcome parse_params(struct str head, struct scgi_request *request)
{
    while (head.len > 0) {
        struct str name = cut_text(&head), value = name.ptr == NULL ? name : cut_text(&head);

        if (value.ptr == NULL)
            return broken("a parameter does not end");
        if (name.len == 0)
            return broken("a parameter has no name");
        if (request->count == SCGI_PARAMS_MAX)
            return broken("more than 128 parameters");
        request->names[request->count] = name;
        request->values[request->count++] = value;
    }
    return SCGI_WHOLE;
}

static enum scgi_outcome parse_body(struct str rest, struct scgi_request *request)
{
    int64_t length;

    if (request->count == 0 || !str_is(request->names[0], "CONTENT_LENGTH") ||
        !str_is(scgi_param(request, "SCGI"), "1"))
        return broken("CONTENT_LENGTH must come first, and SCGI be 1");
    if (str_parse_i64(request->values[0], &length) < 0 || length < 0 || length > SCGI_BODY_MAX)
        return broken("CONTENT_LENGTH is no number up to 65536");
    if (rest.len < (size_t)length)
        return SCGI_MORE;
    if (rest.len > (size_t)length)
        return broken("there is more than the body");
    request->body = rest;
    return SCGI_WHOLE;
}

enum scgi_outcome scgi_parse(struct str bytes, struct scgi_request *request)
{
    size_t length = 0;

    request->count = 0;
    request->body = (struct str){NULL, 0};
    enum scgi_outcome outcome = parse_length(&bytes, &length);
    if (outcome != SCGI_WHOLE)
        return outcome;
    if (bytes.len < length + 1)
        return SCGI_MORE;
    if (bytes.ptr[length] != ',')
        return broken("the head does not end where it says");
    outcome = parse_params((struct str){bytes.ptr, length}, request);
    if (outcome != SCGI_WHOLE)
        return outcome;
    return parse_body((struct str){bytes.ptr + length + 1, bytes.len - length - 1}, request);
}

struct str scgi_param(const struct scgi_request *request, const char *name)
{
    for (size_t i = 0; i < request->count; i++)
        if (str_is(request->names[i], name))
            return request->values[i];
    return (struct str){NULL, 0};
}
