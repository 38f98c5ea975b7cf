/* See the header. */
#include "http/server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "core/metrics.h"
#include "http/problem.h"

#define SOCKET_MODE 0660

int http_listen(const char *path, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return err_set(E_INPUT, "the path of a socket has at most %zu bytes: %s", sizeof address.sun_path - 1, path);
    memcpy(address.sun_path, path, strlen(path));
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return err_set(E_STORE, "cannot make a socket: %s", strerror(errno));
    unlink(path);
    if (bind(*fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, SOCKET_MODE) < 0 ||
        listen(*fd, HTTP_BACKLOG) < 0) {
        (void)err_set(E_STORE, "cannot listen at %s: %s", path, strerror(errno));
        close(*fd);
        return -1;
    }
    return 0;
}

int http_server_accept(const struct http_server *server, int wake_fd, int64_t wait_ms)
{
    struct pollfd fds[] = {{.fd = server->listen_fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};

    if (poll(fds, 2, (int)wait_ms) <= 0 || !(fds[0].revents & POLLIN))
        return -1;
    return accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); /* -1: another process was faster */
}

/* Waits until the socket is ready for `events`; false when the deadline passes or it breaks. */
static bool await(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = events};
        int64_t left_ms = deadline_ms - clock_mono_ms();
        int ready = left_ms > 0 ? poll(&poller, 1, (int)left_ms) : 0;

        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

/* A whole request into `bytes`; false, with an error, when it is none or does not come. */
static bool read_request(int fd, char *bytes, struct scgi_request *scgi)
{
    int64_t deadline_ms = clock_mono_ms() + HTTP_READ_MS;
    size_t len = 0;

    for (;;) {
        ssize_t got = recv(fd, bytes + len, SCGI_BYTES_MAX - len, 0);

        if (got < 0 && errno == EAGAIN && await(fd, POLLIN, deadline_ms))
            continue;
        if (got <= 0) {
            (void)err_set(E_INPUT, "SCGI: the request broke off after %zu bytes", len);
            return false;
        }
        len += (size_t)got;
        enum scgi_outcome outcome = scgi_parse((struct str){bytes, len}, scgi);
        if (outcome != SCGI_MORE)
            return outcome == SCGI_WHOLE;
        if (len == SCGI_BYTES_MAX) {
            (void)err_set(E_LIMIT, "SCGI: the request is longer than %d bytes", SCGI_BYTES_MAX);
            return false;
        }
    }
}

/* What the client does not take within the deadline is lost: nginx has gone. */
static void write_all(int fd, const struct strbuf *text)
{
    int64_t deadline_ms = clock_mono_ms() + HTTP_WRITE_MS;

    for (size_t done = 0; done < text->len;) {
        ssize_t sent = send(fd, text->ptr + done, text->len - done, MSG_NOSIGNAL);

        if (sent > 0)
            done += (size_t)sent;
        else if (sent == 0 || errno != EAGAIN || !await(fd, POLLOUT, deadline_ms))
            return;
    }
}

static void answer(const struct http_server *server, struct arena *arena, const struct scgi_request *scgi, int fd)
{
    struct http_request request;
    struct http_response response;
    struct strbuf out;

    http_response_init(&response);
    strbuf_init(&out, HTTP_RESPONSE_BYTES_MAX + 4096);
    if (http_request_make(arena, scgi, &request) < 0)
        http_problem_of_error(&request, &response);
    else
        http_answer(server->routes, server->ctx, &request, &response);
    if (strbuf_failed(&response.body)) {
        (void)err_set(E_CORRUPT, "the answer is longer than %zu bytes", HTTP_RESPONSE_BYTES_MAX);
        http_problem_of_error(&request, &response);
    }
    http_response_render(&response, strcmp(request.method, "HEAD") != 0, &out);
    write_all(fd, &out);
    strbuf_release(&out);
    http_response_release(&response);
}

void http_server_serve(const struct http_server *server, int fd)
{
    struct arena *arena = arena_create("http.request", HTTP_ARENA_BYTES);
    char *bytes = arena_alloc(arena, SCGI_BYTES_MAX);
    struct scgi_request *scgi = arena_alloc(arena, sizeof *scgi);

    if (read_request(fd, bytes, scgi)) {
        answer(server, arena, scgi, fd);
    } else {
        log_failure("api.no_request", "reading from nginx");
        err_clear();
    }
    close(fd);
    arena_free(&arena);
}
