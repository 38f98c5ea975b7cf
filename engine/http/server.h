/* One SCGI connection at a time, from a listening socket that several processes share: prefork, blocking, with a deadline
 * on everything.
 *
 *     struct http_server server = {.listen_fd = fd, .routes = api_routes, .ctx = api};
 *     int fd = http_server_accept(&server, wake_fd, 1000);          waits for a request or a signal
 *     if (fd >= 0)
 *         http_server_serve(&server, fd);                           reads, answers, closes
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "core/base.h"
#include "http/router.h"

/* nginx sends a request whole and at once: whoever takes longer is stuck, and is given up. */
#define HTTP_READ_MS 5000
#define HTTP_WRITE_MS 5000
#define HTTP_ARENA_BYTES ((size_t)16 << 20)
#define HTTP_BACKLOG 64

struct http_server {
    int listen_fd; /* does not block */
    const struct http_route *routes;
    void *ctx; /* for the handlers */
};

/* A Unix socket that listens, mode 0660, for processes that share it. A socket file left by one that is gone is replaced.
 * E_STORE names the path. */
int http_listen(const char *path, int *fd) BTCF_MUST_CHECK;

/* A connection, or -1 when none came within `wait_ms` or `wake_fd` became readable. */
int http_server_accept(const struct http_server *server, int wake_fd, int64_t wait_ms);

/* Serves one connection and closes it. What is no request is closed without an answer; the reason is logged. */
void http_server_serve(const struct http_server *server, int fd);

#endif
