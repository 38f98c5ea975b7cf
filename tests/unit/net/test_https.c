/* What is asked for and what is not, and that a silent server costs no more than the deadline. Answers of every kind are
 * played by the local exchanges of tests/pg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "net/https.h"

static bool yes(void *arg)
{
    (void)arg;
    return true;
}

static int get(struct https *https, const char *url, int64_t timeout_ms)
{
    struct arena *arena = arena_create("test", 1 << 20);
    struct https_request request = {.url = url, .timeout_ms = timeout_ms, .size_max = 1000};
    struct https_response response;
    int rc = https_get(https, arena, &request, &response);

    arena_free(&arena);
    return rc;
}

static void only_https_and_this_machine_are_asked(void **state)
{
    static const char *const urls[] = {
        "http://example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://127.0.0.1:80@example.com/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "HTTP://example.com/",
        "",
    };
    struct https *https = https_create(NULL, NULL);

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(urls); i++) {
        if (get(https, urls[i], 100) == 0 || err_kind() != E_INPUT)
            fail_msg("%s was asked", urls[i]);
    }
    https_free(&https);
    assert_null(https);
}

/* A socket that accepts connections by its backlog and never says a word. */
static int listen_silently(char url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, 64, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return fd;
}

static void a_silent_server_costs_the_deadline_and_no_more(void **state)
{
    struct https *https = https_create(NULL, NULL);
    char url[64];
    int fd = listen_silently(url);
    int64_t start_ms = clock_mono_ms();

    (void)state;
    assert_int_equal(get(https, url, 300), -1);
    assert_int_equal(err_kind(), E_TIMEOUT);
    assert_true(clock_mono_ms() - start_ms >= 250);
    assert_true(clock_mono_ms() - start_ms < 5000);
    close(fd);
    https_free(&https);
}

static void a_process_that_is_to_stop_gives_up_early(void **state)
{
    struct https *https = https_create(yes, NULL);
    char url[64];
    int fd = listen_silently(url);
    int64_t start_ms = clock_mono_ms();

    (void)state;
    assert_int_equal(get(https, url, 60000), -1);
    assert_int_equal(err_kind(), E_TIMEOUT);
    assert_true(clock_mono_ms() - start_ms < 10000);
    close(fd);
    https_free(&https);
}

static void nobody_listening_is_an_upstream_error(void **state)
{
    struct https *https = https_create(NULL, NULL);
    char url[64];

    (void)state;
    close(listen_silently(url));
    assert_int_equal(get(https, url, 2000), -1);
    assert_int_equal(err_kind(), E_UPSTREAM);
    https_free(&https);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_https_and_this_machine_are_asked),
        cmocka_unit_test(a_silent_server_costs_the_deadline_and_no_more),
        cmocka_unit_test(a_process_that_is_to_stop_gives_up_early),
        cmocka_unit_test(nobody_listening_is_an_upstream_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
