/* Loaded into a load generator (LD_PRELOAD), keeps it from sleeping: epoll_wait() asks again and again until there is
 * something to return.
 *
 * Why: who sleeps must be woken, and it is the server's send() that does it, in the server's time. While answers come
 * faster than the client reads them it never sleeps; when each of them takes 50 us to compute it sleeps before every one,
 * and the wake-up, about 5 us here, is charged to whatever made the answer slow. With this client, a server that answers
 * slowly and one that answers at once pay the same for their sends, so the difference of the two is what was computed.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int epoll_wait(int fd, struct epoll_event *events, int events_max, int timeout_ms)
{
    int64_t end_ms = timeout_ms > 0 ? now_ms() + timeout_ms : 0;
    int count;

    do
        count = (int)syscall(SYS_epoll_wait, fd, events, events_max, 0);
    while (count == 0 && (timeout_ms < 0 || (timeout_ms > 0 && now_ms() < end_ms)));
    return count;
}
