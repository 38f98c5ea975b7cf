/* A client that knows what it must be billed for: it counts, for each API key, the answers that came whole.
 *
 *     metering PORT CONNECTIONS REQUESTS RATE PATH < keys
 *
 * One key a line. Each connection uses one key for all its requests, and has one request outstanding. Of sixteen requests
 * fourteen are plain, one is conditional (answered 304) and one is for a path that does not exist. It ends when REQUESTS
 * bodies of status 200 have come whole and every request is answered, or after LIMIT_S; RATE (a second) 0: as fast as it can.
 *
 * A connection that breaks is made again and its request sent again: GET may be repeated, and whether the first was
 * billed cannot be known from here, so `lost` counts it. What is printed, one line for each key, in their order:
 *
 *     whole200 whole304 whole404 other lost
 *
 * Exit status 1 when an answer was not HTTP, a body was longer than announced, or the time was up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base.h"

#define CONNECTIONS_MAX 1024
#define KEYS_MAX 1024
#define KEY_SIZE 128
#define ANSWER_SIZE (1 << 17)
#define REQUEST_SIZE 1024
#define EVENTS 64
#define LIMIT_S 900.0
#define IDLE_WAIT_MS 1
#define PLAIN_OF_16 14
#define CONNECT_PAUSE_S 0.01 /* before a refused connection is tried again */

enum { STATUS_200, STATUS_304, STATUS_404, STATUS_OTHER, LOST, TALLIES };

struct connection {
    int fd; /* -1: none */
    bool is_busy;
    double retry_at; /* not before */
    unsigned sent;   /* requests: which kind comes next */
    size_t len;
    char answer[ANSWER_SIZE];
};

static struct connection connections[CONNECTIONS_MAX];
static char keys[KEYS_MAX][KEY_SIZE];
static uint64_t tally[KEYS_MAX][TALLIES];
static int key_count, connection_count, epoll_fd;
static uint16_t port;
static const char *path;
static uint64_t whole, issued;

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t *tally_of(const struct connection *connection)
{
    return tally[(connection - connections) % key_count];
}

static bool open_connection(struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
        connection->fd = fd;
        return true;
    }
    if (fd >= 0)
        close(fd);
    connection->retry_at = now_s() + CONNECT_PAUSE_S;
    return false;
}

static void drop(struct connection *connection, bool is_lost)
{
    if (is_lost)
        tally_of(connection)[LOST]++;
    close(connection->fd);
    connection->fd = -1;
    connection->is_busy = false;
    connection->len = 0;
}

static void send_request(struct connection *connection)
{
    unsigned kind = connection->sent++ % 16;
    char request[REQUEST_SIZE];
    int len =
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n%s\r\n",
                 kind == PLAIN_OF_16 + 1 ? "/v1/there-is-no-such-document" : path,
                 keys[(connection - connections) % key_count], kind == PLAIN_OF_16 ? "If-None-Match: *\r\n" : "");

    connection->len = 0;
    connection->is_busy = true;
    issued++;
    if (send(connection->fd, request, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len)
        drop(connection, true);
}

/* The value of a header in the answer, or NULL. */
static const char *header_of(const char *answer, const char *end, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = answer; line < end; line++) {
        line = memchr(line, '\n', (size_t)(end - line));
        if (line == NULL)
            return NULL;
        if ((size_t)(end - line) > len + 2 && strncasecmp(line + 1, name, len) == 0 && line[1 + len] == ':')
            return line + len + 3;
    }
    return NULL;
}

static void count(struct connection *connection, int status)
{
    uint64_t *counts = tally_of(connection);

    counts[status == 200 ? STATUS_200 : status == 304 ? STATUS_304 : status == 404 ? STATUS_404 : STATUS_OTHER]++;
    whole += status == 200;
    connection->is_busy = false;
}

/* Looks whether the answer is whole. */
static void take(struct connection *connection)
{
    char *answer = connection->answer, *end;
    const char *length, *close_header;
    int status;

    answer[connection->len] = '\0';
    end = strstr(answer, "\r\n\r\n");
    if (end == NULL)
        return;
    end += 4;
    if (sscanf(answer, "HTTP/1.1 %d", &status) != 1) {
        fprintf(stderr, "metering: this is no answer: %.200s\n", answer);
        exit(1);
    }
    length = header_of(answer, end, "Content-Length");
    size_t body = length != NULL && status != 304 ? strtoul(length, NULL, 10) : 0;
    size_t expected = (size_t)(end - answer) + body;
    if (connection->len > expected) {
        fprintf(stderr, "metering: %zu bytes where %zu were announced\n", connection->len, expected);
        exit(1);
    }
    if (connection->len < expected)
        return;
    close_header = header_of(answer, end, "Connection");
    count(connection, status);
    if (close_header != NULL && strncasecmp(close_header, "close", 5) == 0)
        drop(connection, false);
}

static void receive(struct connection *connection)
{
    while (connection->fd >= 0) {
        ssize_t n = recv(connection->fd, connection->answer + connection->len, ANSWER_SIZE - 1 - connection->len,
                         MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            drop(connection, true);
            return;
        }
        connection->len += (size_t)n;
        take(connection);
    }
}

static bool is_anybody_waiting(void)
{
    for (int i = 0; i < connection_count; i++)
        if (connections[i].is_busy)
            return true;
    return false;
}

static void issue(double began_s, double rate)
{
    uint64_t allowed = rate > 0 ? (uint64_t)((now_s() - began_s) * rate) : UINT64_MAX;
    static int next;

    for (int i = 0; i < connection_count && issued < allowed; i++, next++) {
        struct connection *connection = &connections[next % connection_count];

        if (connection->is_busy || (connection->fd < 0 && connection->retry_at > now_s()))
            continue;
        if (connection->fd >= 0 || open_connection(connection))
            send_request(connection);
    }
}

static int run(uint64_t requests, double rate)
{
    struct epoll_event events[EVENTS];
    double began_s = now_s();

    while (whole < requests || is_anybody_waiting()) {
        if (now_s() - began_s > LIMIT_S) {
            fprintf(stderr, "metering: the time is up\n");
            return 1;
        }
        if (whole < requests)
            issue(began_s, rate);
        int n = epoll_wait(epoll_fd, events, EVENTS, IDLE_WAIT_MS);
        for (int i = 0; i < n; i++)
            receive(events[i].data.ptr);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: metering PORT CONNECTIONS REQUESTS RATE PATH < keys\n");
        return 2;
    }
    port = (uint16_t)atoi(argv[1]);
    connection_count = atoi(argv[2]);
    path = argv[5];
    while (key_count < KEYS_MAX && fgets(keys[key_count], KEY_SIZE, stdin) != NULL) {
        keys[key_count][strcspn(keys[key_count], "\n")] = '\0';
        key_count++;
    }
    if (connection_count < 1 || connection_count > CONNECTIONS_MAX || key_count < 1) {
        fprintf(stderr, "metering: 1 to %d connections, and at least one key\n", CONNECTIONS_MAX);
        return 2;
    }
    for (int i = 0; i < connection_count; i++)
        connections[i].fd = -1;
    epoll_fd = epoll_create1(0);
    int result = run(strtoull(argv[3], NULL, 10), atof(argv[4]));
    for (int key = 0; key < key_count; key++)
        printf("%llu %llu %llu %llu %llu\n", (unsigned long long)tally[key][STATUS_200],
               (unsigned long long)tally[key][STATUS_304], (unsigned long long)tally[key][STATUS_404],
               (unsigned long long)tally[key][STATUS_OTHER], (unsigned long long)tally[key][LOST]);
    return result;
}
