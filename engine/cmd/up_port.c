/* Binding is tried for real, with the option that nginx uses. Who holds a port is found the way ss(8) does: the socket's
 * inode from /proc/net/tcp, then the process whose descriptors show that inode.
 */
#include "cmd/up_port.h"

#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/err.h"
#include "core/str.h"

#define CONNECT_TIMEOUT_MS 1000
#define OWNER_SIZE 96
#define STATE_LISTEN 0x0A /* of /proc/net/tcp */

static int resolve(const char *host, int port, struct addrinfo **address)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char service[16];

    snprintf(service, sizeof service, "%d", port);
    int failure = getaddrinfo(host, service, &hints, address);
    if (failure != 0)
        return err_set(E_INPUT, "http_host: \"%s\" is no address: %s", host, gai_strerror(failure));
    return 0;
}

/* --- who has it? --- */

/* Inode of the socket that listens on `port`, from one of the kernel's tables; 0: none. Lines look like
 *   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 12345 ... */
static unsigned long find_inode(const char *table, int port)
{
    char line[512];
    unsigned long inode = 0;
    FILE *file = fopen(table, "re");

    if (file == NULL)
        return 0;
    while (inode == 0 && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port, state;
        unsigned long candidate;

        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %lu", &local_port, &state,
                   &candidate) == 3 &&
            (int)local_port == port && state == STATE_LISTEN)
            inode = candidate;
    }
    fclose(file);
    return inode;
}

static bool has_socket(const char *pid, const char *wanted)
{
    char dir[64], path[400], target[64];
    DIR *listing;
    bool found = false;

    snprintf(dir, sizeof dir, "/proc/%.20s/fd", pid);
    listing = opendir(dir);
    if (listing == NULL)
        return false;
    for (const struct dirent *entry; !found && (entry = readdir(listing)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        target[len < 0 ? 0 : len] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    closedir(listing);
    return found;
}

static void name_process(const char *pid, char owner[OWNER_SIZE])
{
    char path[64], comm[32] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    file = fopen(path, "re");
    if (file != NULL && fgets(comm, sizeof comm, file) != NULL)
        comm[strcspn(comm, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
    snprintf(owner, OWNER_SIZE, " by %s (process %.20s)", comm, pid);
}

/* " by nginx (process 12)", or "" when it cannot be seen. The lowest number wins: a master, not its workers. */
static void find_owner(int port, char owner[OWNER_SIZE])
{
    char wanted[64], best[32] = "";
    unsigned long inode = find_inode("/proc/net/tcp", port);
    int64_t pid, best_pid = INT64_MAX;
    DIR *listing = opendir("/proc");

    owner[0] = '\0';
    if (inode == 0)
        inode = find_inode("/proc/net/tcp6", port);
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    if (listing == NULL)
        return;
    for (const struct dirent *entry; inode != 0 && (entry = readdir(listing)) != NULL;) {
        if (str_parse_i64(str_of(entry->d_name), &pid) < 0 || pid >= best_pid || !has_socket(entry->d_name, wanted))
            continue;
        best_pid = pid;
        snprintf(best, sizeof best, "%.20s", entry->d_name);
    }
    closedir(listing);
    if (best[0] != '\0')
        name_process(best, owner);
}

/* --- can we have it? --- */

static int lowest_unprivileged(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    char line[32] = "";
    int64_t lowest;

    if (file == NULL)
        return 1024;
    bool has_line = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return has_line && str_parse_i64(str_of(line), &lowest) == 0 ? (int)lowest : 1024;
}

static int explain(int error, const char *host, int port)
{
    char owner[OWNER_SIZE];

    if (error == EADDRINUSE) {
        find_owner(port, owner);
        return err_set(E_CONFLICT,
                       "port %d on %s is in use%s; choose another one with PORT=%d (--port %d), or stop "
                       "what uses it",
                       port, host, owner, port + 1, port + 1);
    }
    if (error == EADDRNOTAVAIL)
        return err_set(E_INPUT, "http_host: this machine does not have the address %s", host);
    return err_set(E_DENIED, "cannot listen on %s port %d: %s", host, port, strerror(error));
}

int up_port_check(const char *host, int port)
{
    struct addrinfo *address;
    int on = 1, error = 0;

    if (port < lowest_unprivileged())
        return err_set(E_DENIED,
                       "port %d is kept for root by the kernel, and nothing here runs as root; choose one from %d on "
                       "with PORT= (--port), or let the system's own nginx serve it (docs/OPERATIONS.md)",
                       port, lowest_unprivileged());
    if (resolve(host, port, &address) < 0)
        return -1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, 1) < 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(address);
    return error == 0 ? 0 : explain(error, host, port);
}

/* --- does it answer? --- */

/* A connected socket, or -1. An address that means "all" is reached through the loopback. */
static int connect_to(const char *host, int port)
{
    struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_MS / 1000};
    struct addrinfo *address;

    if (resolve(host, port, &address) < 0)
        return -1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(address);
    return fd;
}

bool up_port_answers(const char *host, int port)
{
    int fd = connect_to(host, port);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int up_port_get(const char *host, int port, const char *path, const char *api_key, int64_t timeout_ms)
{
    char text[512];
    int status = 0, fd = connect_to(host, port);
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return 0;
    int len =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s%s%sConnection: close\r\n\r\n", path,
                 api_key != NULL ? "X-API-Key: " : "", api_key != NULL ? api_key : "", api_key != NULL ? "\r\n" : "");
    if (write(fd, text, (size_t)len) == len && poll(&ready, 1, (int)timeout_ms) == 1) {
        ssize_t got = read(fd, text, sizeof text - 1);

        text[got < 0 ? 0 : got] = '\0';
        if (sscanf(text, "HTTP/1.%*d %3d", &status) != 1)
            status = 0;
    }
    explicit_bzero(text, sizeof text);
    close(fd);
    return status;
}
