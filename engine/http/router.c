/* See the header. The table is short, so it is walked; the first row that fits the path decides. */
#include "http/router.h"

#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "http/problem.h"

#define ALLOW_MAX 64

/* Whether the path fits the row's, filling its parameters. */
static bool match_path(const struct http_route *route, struct http_request *request)
{
    struct str pattern = str_of(route->path), path = str_of(request->path);

    request->path_count = 0;
    while (pattern.ptr != NULL && path.ptr != NULL) {
        struct str want = str_cut(&pattern, '/'), have = str_cut(&path, '/');

        if (want.len < 2 || want.ptr[0] != '{') {
            if (!str_equal(want, have))
                return false;
            continue;
        }
        if (have.len == 0 || request->path_count == HTTP_PATH_PARAMS_MAX)
            return false;
        request->in_path[request->path_count++] =
            (struct http_param){.name = arena_strndup(request->arena, want.ptr + 1, want.len - 2),
                                .value = arena_strndup(request->arena, have.ptr, have.len)};
    }
    return pattern.ptr == NULL && path.ptr == NULL;
}

static bool has_word(const char *words, const char *word)
{
    struct str rest = str_of(words == NULL ? "" : words);

    while (rest.ptr != NULL)
        if (str_is(str_cut(&rest, ' '), word))
            return true;
    return false;
}

static bool is_known(const struct http_identity *who)
{
    return who->user[0] != '\0' || who->key[0] != '\0';
}

/* What stands against letting this request in; false when a problem has been made of it. */
static bool admit(const struct http_route *route, const struct http_request *request, struct http_response *response)
{
    if (route->scope != NULL && !is_known(&request->who)) {
        http_problem(request, response, 401, "unauthenticated", "an API key or a bearer token is needed");
        return false;
    }
    if (route->scope != NULL && !has_word(request->who.scopes, route->scope)) {
        http_problem(request, response, 403, "insufficient-scope", "the credential lacks a scope that this needs");
        return false;
    }
    for (size_t i = 0; i < request->query_count; i++)
        if (!has_word(route->query, request->query[i].name)) {
            (void)err_set(E_INPUT, "unknown query parameter \"%.64s\"", request->query[i].name);
            http_problem(request, response, 400, "unknown-parameter", err_text());
            err_clear();
            return false;
        }
    return true;
}

static bool match_method(const struct http_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void refuse_method(const struct http_request *request, struct http_response *response, const char *allow)
{
    http_problem(request, response, 405, "method-not-allowed", "only the methods named in Allow work here");
    http_response_header(response, "Allow", arena_strdup(request->arena, allow));
}

static void add_allowed(char *allow, const char *method)
{
    size_t len = strlen(allow);

    snprintf(allow + len, ALLOW_MAX - len, "%s%s%s", len > 0 ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

void http_answer(const struct http_route *routes, void *ctx, struct http_request *request,
                 struct http_response *response)
{
    char allow[ALLOW_MAX] = "";

    for (const struct http_route *route = routes; route->method != NULL; route++) {
        if (!match_path(route, request))
            continue;
        if (!match_method(route, request->method)) {
            add_allowed(allow, route->method);
            continue;
        }
        if (admit(route, request, response) && route->run(ctx, request, response) < 0)
            http_problem_of_error(request, response);
        return;
    }
    if (allow[0] != '\0')
        refuse_method(request, response, allow);
    else
        http_problem(request, response, 404, "not-found", "there is nothing at this path");
}
