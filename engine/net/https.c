/* HTTPS over libcurl's easy interface: blocking, one call at a time, as roles are.
 *
 * libcurl would follow what it is told by a server in several ways (redirects, other protocols, compressed bodies that
 * unfold); each of them is closed here, because the other side is not ours.
 */
#include "net/https.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

#define HTTPS_MAGIC 0x68747470u
#define IDLE_CONNECTIONS_MAX 4L

struct https {
    unsigned magic;
    CURL *curl;
    bool (*is_cancelled)(void *arg);
    void *arg;
    char detail[CURL_ERROR_SIZE];
};

static bool is_allowed(const char *url);
static size_t take_body(char *bytes, size_t size, size_t count, void *arg);
static int ask_cancelled(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d);
static void prepare(struct https *https, const struct https_request *request, struct strbuf *body);
static int fail(struct https *https, const struct https_request *request, CURLcode code, bool is_too_long);

struct https *https_create(bool (*is_cancelled)(void *arg), void *arg)
{
    struct https *https = calloc(1, sizeof(*https));

    if (https == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (https->curl = curl_easy_init()) == NULL)
        abort(); /* only memory or a broken TLS library; neither is survived */
    https->magic = HTTPS_MAGIC;
    https->is_cancelled = is_cancelled;
    https->arg = arg;
    return https;
}

void https_free(struct https **handle)
{
    struct https *https = *handle;

    *handle = NULL;
    if (https == NULL)
        return;
    assert(https->magic == HTTPS_MAGIC);
    curl_easy_cleanup(https->curl);
    curl_global_cleanup();
    https->magic = 0;
    free(https);
}

int https_get(struct https *https, struct arena *arena, const struct https_request *request,
              struct https_response *response)
{
    struct strbuf body;
    curl_off_t retry_after_s = 0;
    long status = 0;

    assert(https->magic == HTTPS_MAGIC);
    if (!is_allowed(request->url))
        return err_set(E_INPUT, "%s: only https:// is allowed, and http:// to this machine itself", request->url);
    strbuf_init(&body, request->size_max + 1);
    prepare(https, request, &body);
    CURLcode code = curl_easy_perform(https->curl);
    int rc = 0;

    if (code != CURLE_OK) {
        rc = fail(https, request, code, strbuf_failed(&body));
    } else {
        curl_easy_getinfo(https->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(https->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
        *response = (struct https_response){.status = (int)status,
                                            .body = arena_strndup(arena, body.ptr, body.len),
                                            .len = body.len,
                                            .retry_after_s = (int64_t)retry_after_s};
    }
    strbuf_release(&body);
    return rc;
}

/* The host must end where it is said to end: http://localhost.example.com is not this machine. */
static bool is_allowed(const char *url)
{
    static const char *const own[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};

    if (strncmp(url, "https://", strlen("https://")) == 0)
        return true;
    for (size_t i = 0; i < BTCF_LENGTH(own); i++) {
        size_t len = strlen(own[i]);

        if (strncmp(url, own[i], len) == 0 && (url[len] == ':' || url[len] == '/' || url[len] == '\0'))
            return strchr(url, '@') == NULL;
    }
    return false;
}

static void prepare(struct https *https, const struct https_request *request, struct strbuf *body)
{
    CURL *curl = https->curl;

    curl_easy_reset(curl);
    https->detail[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, https->detail);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "btcf/" BTCF_VERSION);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     request->timeout_ms < HTTPS_CONNECT_TIMEOUT_MS ? (long)request->timeout_ms
                                                                    : (long)HTTPS_CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (https->is_cancelled != NULL) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_cancelled);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, https);
    }
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct strbuf *body = arg;

    strbuf_add(body, bytes, size * count);
    return strbuf_failed(body) ? 0 : size * count; /* less than was offered ends the transfer */
}

static int ask_cancelled(void *arg, curl_off_t a BTCF_UNUSED, curl_off_t b BTCF_UNUSED, curl_off_t c BTCF_UNUSED,
                         curl_off_t d BTCF_UNUSED)
{
    const struct https *https = arg;

    return https->is_cancelled(https->arg) ? 1 : 0;
}

static int fail(struct https *https, const struct https_request *request, CURLcode code, bool is_too_long)
{
    const char *detail = https->detail[0] != '\0' ? https->detail : curl_easy_strerror(code);

    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(E_TIMEOUT, "%s: no answer within %lld ms", request->url, (long long)request->timeout_ms);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(E_TIMEOUT, "%s: given up, as this process is to stop", request->url);
    if (is_too_long)
        return err_set(E_UPSTREAM, "%s: answered more than %zu bytes", request->url, request->size_max);
    return err_set(E_UPSTREAM, "%s: %s", request->url, detail);
}
