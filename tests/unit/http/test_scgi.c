/* The SCGI parser: requests as nginx sends them, in pieces, and what is none. */
#include "http/scgi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"

static const char head[] = "CONTENT_LENGTH\0004\0SCGI\0001\0REQUEST_METHOD\0POST\0EMPTY\0\0";

/* "<length>:<head>,<body>" of a head with NULs in it. */
static struct str request_of(char *bytes, size_t size, const char *text, size_t len, const char *body)
{
    int prefix = snprintf(bytes, size, "%zu:", len);

    memcpy(bytes + prefix, text, len);
    int tail = snprintf(bytes + prefix + len, size - (size_t)prefix - len, ",%s", body);
    return (struct str){bytes, (size_t)prefix + len + (size_t)tail};
}

#define REQUEST(bytes, text, body) request_of(bytes, sizeof(bytes), text, sizeof(text) - 1, body)

static void a_request_is_taken_apart(void **state)
{
    char bytes[256];
    struct scgi_request request;

    (void)state;
    assert_int_equal(scgi_parse(REQUEST(bytes, head, "body"), &request), SCGI_WHOLE);
    assert_int_equal(request.count, 4);
    assert_true(str_is(scgi_param(&request, "REQUEST_METHOD"), "POST"));
    assert_int_equal(scgi_param(&request, "EMPTY").len, 0);
    assert_non_null(scgi_param(&request, "EMPTY").ptr);
    assert_null(scgi_param(&request, "ABSENT").ptr);
    assert_true(str_is(request.body, "body"));
}

static void every_beginning_of_a_request_waits_for_more(void **state)
{
    char bytes[256];
    struct str whole = REQUEST(bytes, head, "body");
    struct scgi_request request;

    (void)state;
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(scgi_parse((struct str){whole.ptr, len}, &request), SCGI_MORE);
}

static void assert_broken(struct str bytes, const char *why)
{
    struct scgi_request request;

    err_clear();
    assert_int_equal(scgi_parse(bytes, &request), SCGI_BROKEN);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), why));
}

static void what_is_no_request_is_refused_with_the_reason(void **state)
{
    char bytes[256];

    (void)state;
    assert_broken(STR_LIT("GET / HTTP/1.0\r\n"), "length");
    assert_broken(STR_LIT("x:"), "length");
    assert_broken(STR_LIT("-1:"), "length");
    assert_broken(STR_LIT("99999:"), "32768");
    assert_broken(STR_LIT("1234567:"), "too long");
    assert_broken(STR_LIT("3:abcd"), "does not end where it says");
    assert_broken(REQUEST(bytes, "CONTENT_LENGTH\0000\0SCGI", ""), "does not end");
    assert_broken(REQUEST(bytes, "CONTENT_LENGTH\0000\0SCGI\0001\0\0x\0", ""), "no name");
    assert_broken(REQUEST(bytes, "SCGI\0001\0CONTENT_LENGTH\0000\0", ""), "first");
    assert_broken(REQUEST(bytes, "CONTENT_LENGTH\0000\0", ""), "SCGI");
    assert_broken(REQUEST(bytes, "CONTENT_LENGTH\0x\0SCGI\0001\0", ""), "65536");
    assert_broken(REQUEST(bytes, "CONTENT_LENGTH\000-1\0SCGI\0001\0", ""), "65536");
    assert_broken(REQUEST(bytes, "CONTENT_LENGTH\00065537\0SCGI\0001\0", ""), "65536");
    assert_broken(REQUEST(bytes, head, "body and more"), "more than the body");
}

static void too_many_parameters_are_refused(void **state)
{
    static char text[SCGI_PARAMS_MAX * 4 + 64], bytes[SCGI_PARAMS_MAX * 4 + 128];
    size_t len = sizeof("CONTENT_LENGTH\0000\0SCGI\0001\0") - 1;

    (void)state;
    memcpy(text, "CONTENT_LENGTH\0000\0SCGI\0001\0", len);
    for (size_t i = 2; i <= SCGI_PARAMS_MAX; i++, len += 4)
        memcpy(text + len, "n\0v\0", 4);
    struct scgi_request request;
    assert_int_equal(scgi_parse(request_of(bytes, sizeof bytes, text, len - 4, ""), &request), SCGI_WHOLE);
    assert_int_equal(request.count, SCGI_PARAMS_MAX);
    assert_broken(request_of(bytes, sizeof bytes, text, len, ""), "128");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(every_beginning_of_a_request_waits_for_more),
        cmocka_unit_test(what_is_no_request_is_refused_with_the_reason),
        cmocka_unit_test(too_many_parameters_are_refused),
    };
    return cmocka_run_group_tests_name("http/scgi", tests, NULL, NULL);
}
