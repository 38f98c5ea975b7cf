/* A load generator for what wrk cannot send: HEAD, whose answer has a length but no body.
 *
 *     hammer PORT CONNECTIONS SECONDS < request        prints how many answers came
 *
 * All answers to one request are equally long (their dates are, and so are their ids), so the first tells how many
 * bytes to wait for; nothing is parsed. One request is outstanding per connection, as with wrk.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define REQUEST_BYTES_MAX 4096
#define ANSWER_BYTES_MAX 65536
#define FIRST_ANSWER_WAIT_US 200000

static char request[REQUEST_BYTES_MAX];
static size_t request_len, answer_len;
static size_t received[CONNECTIONS_MAX];

static int fail(const char *what)
{
    fprintf(stderr, "hammer: %s: %s\n", what, strerror(errno));
    return 1;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_request(int fd)
{
    return send(fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len;
}

/* Sends one request and takes what comes within the wait as the whole answer. */
static size_t learn_answer_len(uint16_t port)
{
    static char buf[ANSWER_BYTES_MAX];
    struct timeval wait = {.tv_usec = FIRST_ANSWER_WAIT_US};
    size_t len = 0;
    ssize_t n;
    int fd = connect_to(port);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 || !send_request(fd))
        return 0;
    while (len < sizeof(buf) && (n = recv(fd, buf + len, sizeof(buf) - len, 0)) > 0)
        len += (size_t)n;
    close(fd);
    return len < sizeof(buf) ? len : 0;
}

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Takes what has come; counts an answer and sends the next request when it is whole. -1: the connection is gone. */
static int turn(int index, int fd)
{
    static char buf[ANSWER_BYTES_MAX];
    ssize_t n = recv(fd, buf, sizeof(buf), 0);

    if (n <= 0)
        return -1;
    received[index] += (size_t)n;
    if (received[index] < answer_len)
        return 0;
    received[index] = 0;
    return send_request(fd) ? 1 : -1;
}

static long long run(int epoll, const int *fds, double seconds)
{
    struct epoll_event events[CONNECTIONS_MAX];
    double end = now_s() + seconds;
    long long answers = 0;

    while (now_s() < end) {
        int n = epoll_wait(epoll, events, CONNECTIONS_MAX, 100);

        for (int i = 0; i < n; i++) {
            int status = turn((int)events[i].data.u32, fds[events[i].data.u32]);

            if (status < 0)
                return -1;
            answers += status;
        }
    }
    return answers;
}

int main(int argc, char **argv)
{
    int fds[CONNECTIONS_MAX], count = argc == 4 ? atoi(argv[2]) : 0;
    uint16_t port = argc == 4 ? (uint16_t)atoi(argv[1]) : 0;
    int epoll = epoll_create1(0);
    long long answers;

    if (count < 1 || count > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: hammer PORT CONNECTIONS SECONDS < request\n");
        return 2;
    }
    request_len = fread(request, 1, sizeof(request), stdin);
    answer_len = learn_answer_len(port);
    if (answer_len == 0)
        return fail("no first answer");
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

        fds[i] = connect_to(port);
        if (fds[i] < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0 || !send_request(fds[i]))
            return fail("connection");
    }
    answers = run(epoll, fds, atof(argv[3]));
    if (answers < 0)
        return fail("a connection broke");
    printf("%lld\n", answers);
    return 0;
}
