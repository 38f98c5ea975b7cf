/* nginx under `btcf up`: a private instance with our module in front of the shared segment.
 *
 *   STATE/nginx/nginx.conf      generated: where to listen, where the segment is
 *   STATE/nginx/http.conf, routes.conf    the shipped parts, from inside this binary
 *   STATE/nginx/ngx_http_btcf_module.so   a copy, because the account may not be able to reach the build
 *   STATE/nginx/nginx.pid, tmp/           its own
 *
 * The prefix is STATE, so the configuration names no path of the machine but the segment's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/conf_files.h"
#include "cmd/up.h"
#include "cmd/up_port.h"
#include "core/clock.h"
#include "core/err.h"

#define MODULE_NAME "ngx_http_btcf_module.so"
#define MODULE_DIR_DEBIAN "/usr/lib/nginx/modules"
#define COPY_CHUNK 65536
#define TEST_TIMEOUT_MS 20000
#define TEST_OUTPUT_SIZE 2048
#define ANSWER_TIMEOUT_MS 15000
#define QUIT_TIMEOUT_MS 10000
#define KILL_TIMEOUT_MS 2000
#define POLL_MS 20
#define CONF_SIZE_MAX ((size_t)64 << 10)

/* --- before anything slow --- */

/* The module beside this program, where `make` puts it, or where `make install` and packages do. */
static int open_module(void)
{
    char path[UP_PATH_SIZE];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof MODULE_NAME - 1);

    path[len < 0 ? 0 : len] = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        memcpy(slash + 1, MODULE_NAME, sizeof MODULE_NAME);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return open(MODULE_DIR_DEBIAN "/" MODULE_NAME, O_RDONLY | O_CLOEXEC);
}

int up_nginx_look(struct up *up)
{
    const struct settings *settings = up->settings;

    if (access(settings->nginx_binary, X_OK) < 0)
        return err_set(E_INPUT,
                       "there is no nginx at %s; install it with `apt-get install nginx`, or name another one with "
                       "--set nginx_binary=PATH",
                       settings->nginx_binary);
    up->module_fd = open_module();
    if (up->module_fd < 0)
        return err_set(E_INPUT,
                       "the nginx module " MODULE_NAME " is neither beside this program nor in " MODULE_DIR_DEBIAN
                       "; build it with `make module` (apt-get install nginx-dev)");
    if (up_port_check(settings->http_host, (int)settings->http_port) == 0)
        return 0;
    if (err_kind() != E_CONFLICT)
        return -1;
    /* Perhaps it is the nginx of a run that was killed. Only root can see whose it is, so what we see is kept. */
    snprintf(up->port_conflict, sizeof up->port_conflict, "%s", err_text());
    return 0;
}

int up_nginx_check_port(const struct up *up)
{
    if (up->port_conflict[0] == '\0' || up_port_check(up->settings->http_host, (int)up->settings->http_port) == 0)
        return 0;
    return err_set(E_CONFLICT, "%s", up->port_conflict);
}

/* --- what nginx reads --- */

static bool copy_bytes(int in, int out)
{
    static char chunk[COPY_CHUNK];
    ssize_t got;

    if (lseek(in, 0, SEEK_SET) < 0)
        return false;
    while ((got = read(in, chunk, sizeof chunk)) > 0)
        if (write(out, chunk, (size_t)got) != got)
            return false;
    return got == 0;
}

/* Through a rename: a worker that still has the old file mapped must not see it change. */
static int write_module(const struct up *up)
{
    char path[UP_PATH_SIZE], fresh[UP_PATH_SIZE + 8];

    snprintf(path, sizeof path, "%s/nginx/" MODULE_NAME, up->settings->state_dir);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int out = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool copied = out >= 0 && copy_bytes(up->module_fd, out);
    int error = errno;
    if (out >= 0)
        close(out);
    if (copied && rename(fresh, path) == 0)
        return 0;
    unlink(fresh);
    return err_set(E_STORE, "cannot copy the module to %s: %s", path, strerror(error));
}

static int write_text(const struct up *up, const char *name, const char *text)
{
    char path[UP_PATH_SIZE];

    snprintf(path, sizeof path, "%s/nginx/%s", up->settings->state_dir, name);
    return up_write_file(path, text);
}

static void add_quoted(struct strbuf *out, const char *text)
{
    strbuf_add_char(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *text);
    }
    strbuf_add_char(out, '"');
}

static void render_conf(const struct up *up, struct strbuf *conf)
{
    const char *host = up->settings->http_host;
    bool is_ipv6 = strchr(host, ':') != NULL && host[0] != '[';
    char api[UP_PATH_SIZE + 16];

    strbuf_printf(conf,
                  "# Made by `btcf up` at each start.\n"
                  "load_module nginx/" MODULE_NAME ";\n"
                  "daemon off;\n"
                  "worker_processes %lld;\n"
                  "worker_shutdown_timeout 30s;\n"
                  "pid nginx/nginx.pid;\n"
                  "error_log log/nginx-error.log notice;\n"
                  "events {\n    worker_connections 4096;\n}\n"
                  "http {\n"
                  "    client_body_temp_path nginx/tmp/body;\n"
                  "    proxy_temp_path nginx/tmp/proxy;\n"
                  "    fastcgi_temp_path nginx/tmp/fastcgi;\n"
                  "    scgi_temp_path nginx/tmp/scgi;\n"
                  "    uwsgi_temp_path nginx/tmp/uwsgi;\n"
                  "    btcf_shm_dir ",
                  (long long)up->settings->nginx_workers);
    add_quoted(conf, up->settings->shm_dir);
    strbuf_add_text(conf, ";\n    upstream btcf_api {\n        server ");
    snprintf(api, sizeof api, "unix:%s/api.sock", up->settings->run_dir);
    add_quoted(conf, api);
    strbuf_printf(conf,
                  ";\n"
                  "    }\n"
                  "    include http.conf;\n"
                  "    access_log log/access.log btcf;\n"
                  "    server {\n"
                  "        listen %s%s%s:%lld;\n"
                  "        include routes.conf;\n"
                  "        include control.conf;\n"
                  "    }\n"
                  "}\n",
                  is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", (long long)up->settings->http_port);
}

static int write_conf(const struct up *up)
{
    char tmp_dir[UP_PATH_SIZE];
    struct strbuf conf;

    snprintf(tmp_dir, sizeof tmp_dir, "%s/nginx/tmp", up->settings->state_dir);
    if (mkdir(tmp_dir, 0700) < 0 && errno != EEXIST)
        return err_set(E_STORE, "cannot make %s: %s", tmp_dir, strerror(errno));
    for (size_t i = 0; i < conf_files_count; i++)
        if (write_text(up, conf_files[i].name, conf_files[i].text) < 0)
            return -1;
    strbuf_init(&conf, CONF_SIZE_MAX);
    render_conf(up, &conf);
    int result = write_text(up, "nginx.conf", conf.ptr);
    strbuf_release(&conf);
    return result;
}

/* --- the server --- */

struct command_line {
    char prefix[UP_PATH_SIZE], conf[UP_PATH_SIZE], error_log[UP_PATH_SIZE];
    char *argv[9];
};

static void make_command_line(const struct up *up, struct command_line *line, bool is_test)
{
    snprintf(line->prefix, sizeof line->prefix, "%s/", up->settings->state_dir);
    snprintf(line->conf, sizeof line->conf, "%s/nginx/nginx.conf", up->settings->state_dir);
    snprintf(line->error_log, sizeof line->error_log, "%s/log/nginx-error.log", up->settings->state_dir);
    char *argv[] = {up->settings->nginx_binary, "-p", line->prefix, "-e", line->error_log, "-c", line->conf,
                    is_test ? "-t" : NULL,      NULL};
    memcpy(line->argv, argv, sizeof argv);
}

static void read_output(const char *path, char text[TEST_OUTPUT_SIZE])
{
    FILE *file = fopen(path, "re");

    text[0] = '\0';
    if (file == NULL)
        return;
    text[fread(text, 1, TEST_OUTPUT_SIZE - 1, file)] = '\0';
    fclose(file);
}

/* What nginx complains of, with the remedy for the one complaint that strangers will meet: a module that was built for
 * another nginx. */
static int explain_refusal(const struct up *up, const char *output)
{
    const char *emerg = strstr(output, "[emerg]");
    const char *text = emerg != NULL ? emerg + strlen("[emerg] ") : output;
    int len = (int)strcspn(text, "\n");

    if (strstr(output, "binary compatible") != NULL || strstr(output, "instead of") != NULL)
        return err_set(E_INPUT,
                       "%s cannot load the module: %.*s; the module fits only the nginx whose headers it was built "
                       "with: build it again with `make clean module` after `apt-get install nginx nginx-dev`",
                       up->settings->nginx_binary, len, text);
    return err_set(E_INPUT, "nginx refuses its configuration: %.*s", len, text);
}

/* nginx -t: the same checks as a start, with the reason in our hands instead of in a log. */
static int test_conf(const struct up *up)
{
    char output_path[UP_PATH_SIZE], output[TEST_OUTPUT_SIZE];
    struct command_line line;
    int status = 0;
    pid_t pid;

    make_command_line(up, &line, true);
    snprintf(output_path, sizeof output_path, "%s/nginx/test.log", up->settings->state_dir);
    unlink(output_path);
    struct proc_spec child = {.name = "nginx",
                              .argv = line.argv,
                              .dir = up->settings->state_dir,
                              .output = output_path,
                              .death_signal = SIGKILL};
    if (proc_spawn(&child, &pid) < 0)
        return -1;
    if (proc_wait(pid, TEST_TIMEOUT_MS, &status) < 1) {
        proc_stop(pid, SIGKILL, KILL_TIMEOUT_MS, &status);
        return err_set(E_TIMEOUT, "nginx -t took longer than %d s", TEST_TIMEOUT_MS / 1000);
    }
    read_output(output_path, output);
    return status == 0 ? 0 : explain_refusal(up, output);
}

static int await_answer(struct up *up)
{
    int64_t end_ms = clock_mono_ms() + ANSWER_TIMEOUT_MS;
    int status;

    while (!up_port_answers(up->settings->http_host, (int)up->settings->http_port)) {
        if (proc_wait(up->nginx, 0, &status) != 0) {
            up->nginx = 0;
            return err_set(E_STORE, "nginx has ended; see %s/log/nginx-error.log", up->settings->state_dir);
        }
        if (clock_mono_ms() > end_ms || proc_should_stop())
            return err_set(E_TIMEOUT, "nginx does not accept connections; see %s/log/nginx-error.log",
                           up->settings->state_dir);
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

int up_nginx_start(struct up *up)
{
    char output[UP_PATH_SIZE];
    struct command_line line;

    if (write_module(up) < 0 || write_conf(up) < 0 || test_conf(up) < 0)
        return -1;
    make_command_line(up, &line, false);
    snprintf(output, sizeof output, "%s/log/nginx-error.log", up->settings->state_dir);
    /* SIGQUIT lets requests finish: that is how it ends when we are killed. */
    struct proc_spec child = {.name = "nginx",
                              .argv = line.argv,
                              .dir = up->settings->state_dir,
                              .output = output,
                              .death_signal = SIGQUIT};
    if (proc_spawn(&child, &up->nginx) < 0)
        return -1;
    return await_answer(up);
}

void up_nginx_stop(struct up *up)
{
    up_end_child(&up->nginx, SIGQUIT, SIGTERM, QUIT_TIMEOUT_MS);
}
