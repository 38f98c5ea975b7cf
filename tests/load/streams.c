/* Thousands of clients of /v1/stream in one process, some of which never read.
 *
 *     streams PORT READERS STUCK [REST_PERCENT]
 *
 * Readers take the stream apart as far as a test needs: ids, which must be the last one's successor; the time at which the
 * publisher wrote the event (t_us in its data, of the clock that all processes share); and what the server says about
 * itself. A reader whose stream ends comes back with Last-Event-ID after REST_PERCENT (default 100) of the time it was told
 * to wait. Clients that are stuck ask, with as little room in the kernel as it allows, and never read.
 *
 * Lines on standard input: "stats" prints what was seen since the last "clear" as one line of JSON; the end of the input ends
 * the program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 20000
#define LINE_MAX_BYTES 1200
#define READ_BYTES 65536
#define EVENTS_PER_WAIT 512
#define WAIT_MS 20
#define CONNECTS_PER_WAIT 100
#define STUCK_RCVBUF 1024
#define FIRST_REST_MS 100
#define BUCKET_US 100
#define BUCKETS 100000 /* ten seconds */
#define STDIN_MARK UINT32_MAX

enum kind { EVENT, RESET, DROPPED, RECONNECT, END };

struct client {
    int fd; /* -1: resting until rest_until_us */
    bool is_stuck, has_begun, has_reset;
    int64_t rest_until_us;
    uint64_t last_id;
    uint32_t retry_ms;
    enum kind kind; /* of the event whose data comes next */
    char line[LINE_MAX_BYTES];
    uint32_t line_len;
};

static struct client clients[CLIENTS_MAX];
static uint32_t client_count;
static uint16_t port;
static int64_t rest_percent = 100;
static int epoll;

static struct {
    uint64_t events, lost, repeated, resets, dropped, told, ended, cut, connects;
    uint64_t buckets[BUCKETS];
} seen;

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int open_socket(bool is_stuck)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), size = STUCK_RCVBUF;

    if (fd < 0)
        return -1;
    if (is_stuck)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return fd;
    close(fd);
    return -1;
}

static void rest(struct client *client, int64_t ms)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->rest_until_us = now_us() + ms * 1000;
}

static void begin(struct client *client, uint32_t index)
{
    char request[160], position[40] = "";
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};

    client->fd = open_socket(client->is_stuck);
    client->line_len = 0;
    client->kind = EVENT;
    if (client->has_begun)
        snprintf(position, sizeof(position), "Last-Event-ID: %llu\r\n", (unsigned long long)client->last_id);
    int len = snprintf(request, sizeof(request), "GET /v1/stream HTTP/1.1\r\nHost: x\r\n%s\r\n", position);
    if (client->fd < 0 || send(client->fd, request, (size_t)len, MSG_NOSIGNAL) != len ||
        (!client->is_stuck && epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)) {
        rest(client, FIRST_REST_MS);
        return;
    }
    seen.connects++;
}

static void take_id(struct client *client, uint64_t id)
{
    if (client->has_begun && !client->has_reset) {
        if (id <= client->last_id)
            seen.repeated++;
        else
            seen.lost += id - client->last_id - 1;
    }
    client->has_begun = true;
    client->has_reset = false;
    client->last_id = id;
}

static void take_data(struct client *client, const char *data)
{
    const char *at = strstr(data, "\"t_us\":");

    if (client->kind == RESET || client->kind == DROPPED)
        client->has_reset = true;
    seen.resets += client->kind == RESET ? 1 : 0;
    seen.dropped += client->kind == DROPPED ? 1 : 0;
    seen.told += client->kind == RECONNECT ? 1 : 0;
    seen.ended += client->kind == END ? 1 : 0;
    if (client->kind == EVENT && at != NULL) {
        int64_t bucket = (now_us() - strtoll(at + 7, NULL, 10)) / BUCKET_US;

        seen.events++;
        seen.buckets[bucket < 0 ? 0 : bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    }
}

static enum kind kind_of(const char *name)
{
    static const char *const names[] = {
        [RESET] = "reset", [DROPPED] = "dropped", [RECONNECT] = "reconnect", [END] = "end"};

    for (int i = RESET; i <= END; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum kind)i;
    return EVENT;
}

/* A line of the body. The sizes of chunks and the head of the answer are lines as well, which mean nothing here: a chunk
 * holds whole frames. */
static void take_line(struct client *client)
{
    char *line = client->line;

    line[client->line_len] = '\0';
    if (client->line_len > 0 && line[client->line_len - 1] == '\r')
        line[client->line_len - 1] = '\0';
    if (strncmp(line, "id: ", 4) == 0)
        take_id(client, strtoull(line + 4, NULL, 10));
    else if (strncmp(line, "event: ", 7) == 0)
        client->kind = kind_of(line + 7);
    else if (strncmp(line, "retry: ", 7) == 0)
        client->retry_ms = (uint32_t)strtoul(line + 7, NULL, 10);
    else if (strncmp(line, "data: ", 6) == 0)
        take_data(client, line + 6);
    client->line_len = 0;
}

static void read_some(struct client *client)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        seen.cut += client->kind == RECONNECT || client->kind == END ? 0 : 1;
        rest(client, (int64_t)client->retry_ms * rest_percent / 100);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            take_line(client);
        else if (client->line_len < LINE_MAX_BYTES - 1)
            client->line[client->line_len++] = bytes[i];
    }
}

/* Milliseconds below which so many per mille of all deliveries were. */
static double permille_ms(uint64_t permille)
{
    uint64_t want = (seen.events * permille + 999) / 1000, sum = 0;

    for (int64_t i = 0; i < BUCKETS; i++) {
        sum += seen.buckets[i];
        if (sum >= want && sum > 0)
            return (double)((i + 1) * BUCKET_US) / 1000;
    }
    return 0;
}

static void print_stats(void)
{
    uint64_t open = 0, newest = 0, oldest = UINT64_MAX;

    for (uint32_t i = 0; i < client_count; i++) {
        open += clients[i].fd >= 0 ? 1 : 0;
        if (clients[i].is_stuck)
            continue;
        newest = clients[i].last_id > newest ? clients[i].last_id : newest;
        oldest = clients[i].last_id < oldest ? clients[i].last_id : oldest;
    }
    printf("{\"open\":%llu,\"events\":%llu,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"p999_ms\":%.1f,\"max_ms\":%.1f,"
           "\"lost\":%llu,\"repeated\":%llu,\"resets\":%llu,\"dropped\":%llu,\"told\":%llu,\"ended\":%llu,"
           "\"cut\":%llu,\"connects\":%llu,\"newest\":%llu,\"oldest\":%llu}\n",
           (unsigned long long)open, (unsigned long long)seen.events, permille_ms(500), permille_ms(990),
           permille_ms(999), permille_ms(1000), (unsigned long long)seen.lost, (unsigned long long)seen.repeated,
           (unsigned long long)seen.resets, (unsigned long long)seen.dropped, (unsigned long long)seen.told,
           (unsigned long long)seen.ended, (unsigned long long)seen.cut, (unsigned long long)seen.connects,
           (unsigned long long)newest, (unsigned long long)oldest);
    fflush(stdout);
}

/* False at the end of the input. */
static bool take_command(void)
{
    char line[32];

    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    if (strcmp(line, "stats\n") == 0) {
        print_stats();
    } else if (strcmp(line, "clear\n") == 0) {
        memset(&seen, 0, sizeof(seen));
        printf("{}\n");
        fflush(stdout);
    }
    return true;
}

static void wake_rested(void)
{
    int64_t now = now_us();
    int begun = 0;

    for (uint32_t i = 0; i < client_count && begun < CONNECTS_PER_WAIT; i++) {
        if (clients[i].fd >= 0 || clients[i].rest_until_us > now)
            continue;
        begin(&clients[i], i);
        begun++;
    }
}

static bool turn(void)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int n = epoll_wait(epoll, events, EVENTS_PER_WAIT, WAIT_MS);

    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 == STDIN_MARK) {
            if (!take_command())
                return false;
        } else if (clients[events[i].data.u32].fd >= 0) {
            read_some(&clients[events[i].data.u32]);
        }
    }
    wake_rested();
    return true;
}

int main(int argc, char **argv)
{
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = STDIN_MARK};
    struct rlimit files;
    uint32_t readers = argc > 3 ? (uint32_t)atoi(argv[2]) : 0, stuck = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;

    client_count = readers + stuck;
    if (argc < 4 || client_count == 0 || client_count > CLIENTS_MAX) {
        fprintf(stderr, "usage: streams PORT READERS STUCK [REST_PERCENT]\n");
        return 2;
    }
    port = (uint16_t)atoi(argv[1]);
    if (argc > 4)
        rest_percent = atoi(argv[4]);
    epoll = epoll_create1(0);
    setvbuf(stdin, NULL, _IONBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files); /* too few: connections fail, which is seen */
    }
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0) {
        fprintf(stderr, "streams: %s\n", strerror(errno));
        return 1;
    }
    for (uint32_t i = 0; i < client_count; i++)
        clients[i] = (struct client){.fd = -1, .is_stuck = i >= readers, .retry_ms = FIRST_REST_MS};
    while (turn())
        continue;
    return 0;
}
