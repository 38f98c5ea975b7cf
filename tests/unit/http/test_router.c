/* Requests through the table: who gets to a handler, with what, and what everybody else is told. */
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

#include "core/err.h"

#define ARENA_MAX ((size_t)4 << 20)

static struct arena *arena;
static struct http_response response;
static int runs;

static int show(void *ctx, const struct http_request *request, struct http_response *out)
{
    (void)ctx;
    runs++;
    strbuf_printf(&out->body, "%s %s", http_path_param(request, "id"),
                  http_query_param(request, "limit") != NULL ? http_query_param(request, "limit") : "-");
    return 0;
}

static int break_down(void *ctx, const struct http_request *request, struct http_response *out)
{
    (void)request;
    (void)out;
    runs++;
    return err_set(*(enum err_kind *)ctx, "the secret reason");
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/v1/things/{id}", .query = "limit cursor", .run = show},
    {.method = "DELETE", .path = "/v1/things/{id}", .scope = "account.write", .run = show},
    {.method = "GET", .path = "/v1/fail", .run = break_down},
    {.method = NULL},
};

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    http_response_init(&response);
    runs = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    http_response_release(&response);
    arena_free(&arena);
    return 0;
}

struct ask {
    const char *method, *path, *query, *user, *scopes;
    enum err_kind fault;
};

/* Through the whole of it: SCGI parameters to response. */
static int status_of(struct ask ask)
{
    struct scgi_request scgi = {0};
    struct http_request request;
    const char *params[][2] = {{"REQUEST_METHOD", ask.method},
                               {"DOCUMENT_URI", ask.path},
                               {"QUERY_STRING", ask.query != NULL ? ask.query : ""},
                               {"BTCF_USER", ask.user != NULL ? ask.user : ""},
                               {"BTCF_SCOPES", ask.scopes != NULL ? ask.scopes : ""},
                               {"BTCF_REQUEST_ID", "rid-1"}};

    for (size_t i = 0; i < BTCF_LENGTH(params); i++) {
        scgi.names[scgi.count] = str_of(params[i][0]);
        scgi.values[scgi.count++] = str_of(params[i][1]);
    }
    http_response_release(&response);
    http_response_init(&response);
    if (http_request_make(arena, &scgi, &request) < 0)
        return -1;
    http_answer(routes, &ask.fault, &request, &response);
    return response.status;
}

static const char *header_of(const char *name)
{
    for (size_t i = 0; i < response.header_count; i++)
        if (strcmp(response.headers[i].name, name) == 0)
            return response.headers[i].value;
    return NULL;
}

static void assert_code(const char *code)
{
    json_t *root = json_loads(response.body.ptr, 0, NULL);

    assert_non_null(root);
    assert_string_equal(response.type, "application/problem+json");
    assert_string_equal(json_string_value(json_object_get(root, "code")), code);
    assert_string_equal(json_string_value(json_object_get(root, "request_id")), "rid-1");
    assert_int_equal(json_integer_value(json_object_get(root, "status")), response.status);
    assert_null(strstr(response.body.ptr, "secret"));
    json_decref(root);
}

static void a_request_reaches_its_handler_with_its_parameters(void **state)
{
    (void)state;
    assert_int_equal(status_of((struct ask){.method = "GET", .path = "/v1/things/a-b", .query = "limit=%31+2&"}),
                     200);
    assert_string_equal(response.body.ptr, "a-b 1 2");
    assert_int_equal(status_of((struct ask){.method = "HEAD", .path = "/v1/things/x"}), 200);
    assert_int_equal(runs, 2);
}

static void other_paths_and_methods_do_not(void **state)
{
    (void)state;
    const char *paths[] = {"/",           "/v1", "/v1/things", "/v1/things/", "/v1/things/a/b", "/v1/things/a/",
                           "/v2/things/a"};

    for (size_t i = 0; i < BTCF_LENGTH(paths); i++) {
        assert_int_equal(status_of((struct ask){.method = "GET", .path = paths[i]}), 404);
        assert_code("not-found");
    }
    assert_int_equal(status_of((struct ask){.method = "PUT", .path = "/v1/things/a"}), 405);
    assert_code("method-not-allowed");
    assert_string_equal(header_of("Allow"), "GET, HEAD, DELETE");
    assert_int_equal(runs, 0);
}

static void a_scope_is_asked_for_before_anything_else(void **state)
{
    (void)state;
    struct ask ask = {.method = "DELETE", .path = "/v1/things/a"};

    assert_int_equal(status_of(ask), 401);
    assert_code("unauthenticated");
    ask.user = "u1";
    ask.scopes = "read account.writer account.writ";
    assert_int_equal(status_of(ask), 403);
    assert_code("insufficient-scope");
    ask.scopes = "read account.write";
    assert_int_equal(status_of(ask), 200);
    assert_int_equal(runs, 1);
}

static void unknown_and_malformed_parameters_are_refused(void **state)
{
    (void)state;
    assert_int_equal(status_of((struct ask){.method = "GET", .path = "/v1/things/a", .query = "lim=1"}), 400);
    assert_code("unknown-parameter");
    assert_int_equal(status_of((struct ask){.method = "GET", .path = "/v1/fail", .query = "limit=1"}), 400);
    const char *bad[] = {"limit=%",      "limit=%4",    "limit=%zz",       "limit=%00", "limit=%ff",
                         "limit=%c0%80", "%ed%a0%80=1", "limit=1&limit=2", "a&a"};
    for (size_t i = 0; i < BTCF_LENGTH(bad); i++) {
        err_clear();
        assert_int_equal(status_of((struct ask){.method = "GET", .path = "/v1/things/a", .query = bad[i]}), -1);
        assert_int_equal(err_kind(), E_INPUT);
    }
    assert_int_equal(runs, 0);
}

static void errors_become_problems_and_keep_their_secrets(void **state)
{
    (void)state;
    struct ask ask = {.method = "GET", .path = "/v1/fail", .fault = E_STORE};

    assert_int_equal(status_of(ask), 503);
    assert_code("unavailable");
    assert_non_null(header_of("Retry-After"));
    ask.fault = E_CORRUPT;
    assert_int_equal(status_of(ask), 500);
    assert_code("internal");
    ask.fault = E_MISSING;
    assert_int_equal(status_of(ask), 404);
    ask.fault = E_CONFLICT;
    assert_int_equal(status_of(ask), 409);
    ask.fault = E_INPUT;
    assert_int_equal(status_of(ask), 400);
    assert_int_equal(err_kind(), E_NONE);
}

static void a_response_is_written_as_nginx_reads_it(void **state)
{
    struct strbuf out;

    (void)state;
    assert_int_equal(status_of((struct ask){.method = "GET", .path = "/v1/things/a"}), 200);
    http_response_header(&response, "Cache-Control", "no-store");
    strbuf_init(&out, 4096);
    http_response_render(&response, true, &out);
    assert_string_equal(out.ptr, "Status: 200\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
                                 "Cache-Control: no-store\r\n\r\na -");
    strbuf_reset(&out);
    http_response_render(&response, false, &out);
    assert_string_equal(out.ptr + out.len - 4, "\r\n\r\n");
    strbuf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_reaches_its_handler_with_its_parameters, begin, end),
        cmocka_unit_test_setup_teardown(other_paths_and_methods_do_not, begin, end),
        cmocka_unit_test_setup_teardown(a_scope_is_asked_for_before_anything_else, begin, end),
        cmocka_unit_test_setup_teardown(unknown_and_malformed_parameters_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(errors_become_problems_and_keep_their_secrets, begin, end),
        cmocka_unit_test_setup_teardown(a_response_is_written_as_nginx_reads_it, begin, end),
    };
    return cmocka_run_group_tests_name("http/router", tests, NULL, NULL);
}
