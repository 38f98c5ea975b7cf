/* Progress for a person, from the rows that the engine's components keep about themselves, and the end of waiting: the
 * first forecast that a client really gets from nginx. Lines, not a moving bar: they read the same in a terminal, in a
 * log and in a bug report.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/up.h"
#include "cmd/up_port.h"
#include "core/arena.h"
#include "core/clock.h"
#include "store/db.h"

#define READY_PATH "/readyz" /* asked over and over: it is free, a forecast costs a guest's allowance */
#define PROBE_PATH "/v1/forecasts/1d"
#define PROBE_TIMEOUT_MS 1000
#define QUERY_TIMEOUT_MS 2000
#define ARENA_BYTES ((size_t)1 << 20)
#define SHOWN_MAX 32
#define SHOWN_SIZE 160
#define STEPS_OF_PROGRESS 10 /* a component's percentage is shown in tenths */

/* What was printed last about each component. Process-wide, as the terminal is. */
static struct {
    char name[SHOWN_SIZE], text[SHOWN_SIZE];
} shown[SHOWN_MAX];
static struct db *watch_db;

static const char sql_components[] = "SELECT name, state, detail, done, total FROM component ORDER BY change";

static void show(const char *name, const char *text)
{
    for (size_t i = 0; i < SHOWN_MAX; i++) {
        if (shown[i].name[0] != '\0' && strcmp(shown[i].name, name) != 0)
            continue;
        if (strcmp(shown[i].text, text) == 0)
            return;
        snprintf(shown[i].name, SHOWN_SIZE, "%s", name);
        snprintf(shown[i].text, SHOWN_SIZE, "%s", text);
        up_say(name, "%s", text);
        return;
    }
}

static void show_component(const struct db_rows *rows, size_t row)
{
    const char *state = db_text(rows, row, 1), *detail = db_text(rows, row, 2);
    int64_t done = db_i64(rows, row, 3), total = db_i64(rows, row, 4);
    char text[SHOWN_SIZE];

    if (strcmp(state, "ok") == 0)
        return; /* a person wants to know what is being waited for */
    if (total > 0 && done < total)
        snprintf(text, sizeof text, "%s: %s %" PRId64 "%%", state, detail,
                 done * STEPS_OF_PROGRESS / total * (100 / STEPS_OF_PROGRESS));
    else
        snprintf(text, sizeof text, "%s%s%s", state, detail[0] != '\0' ? ": " : "", detail);
    show(db_text(rows, row, 0), text);
}

static void show_components(const struct up *up)
{
    struct arena *arena;
    struct db_rows rows;

    if (watch_db == NULL && db_open(&watch_db, up->settings->database_url, "up", QUERY_TIMEOUT_MS) < 0) {
        err_clear();
        return;
    }
    arena = arena_create("up.watch", ARENA_BYTES);
    if (db_query(watch_db, arena, sql_components, &rows, DB_END) == 0) {
        for (size_t i = 0; i < rows.count; i++)
            show_component(&rows, i);
    } else {
        db_close(&watch_db); /* another one at the next step */
        err_clear();
    }
    arena_free(&arena);
}

static void print_addresses(const struct up *up)
{
    const struct settings *settings = up->settings;
    const char *host = settings->http_host;
    bool is_ipv6 = strchr(host, ':') != NULL;
    char base[128];

    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0)
        host = "127.0.0.1";
    snprintf(base, sizeof base, "http://%s%s%s:%lld", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
             (long long)settings->http_port);
    printf("\n"
           "  %s/v1/forecasts        where Bitcoin may be in 1h 4h 12h 1d 3d 7d 14d 30d\n"
           "  %s/v1/forecasts/1d     one of them\n"
           "  %s/v1/accuracy         how good the forecasts were\n"
           "  %s/v1/status           what runs, and on which data\n"
           "\n"
           "  curl -s %s/v1/forecasts/1d\n"
           "  curl -s '%s/v1/forecasts?horizons=1h,1d'\n"
           "  curl -s %s/v1/accuracy\n",
           base, base, base, base, base, base, base);
    fflush(stdout);
    up_key_offer(up, base);
    printf("\n  logs are in %s/log; Ctrl-C stops everything\n", settings->state_dir);
    fflush(stdout);
}

static bool is_ok(const struct up *up, const char *path)
{
    return up_port_get(up->settings->http_host, (int)up->settings->http_port, path, NULL, PROBE_TIMEOUT_MS) == 200;
}

bool up_watch_step(const struct up *up)
{
    bool is_served = is_ok(up, READY_PATH) && is_ok(up, PROBE_PATH);

    show_components(up);
    if (!is_served)
        return true;
    db_close(&watch_db);
    up_say("ready", "the first forecast is served (%.1f s)", (double)(clock_mono_ms() - up->started_ms) / 1000);
    print_addresses(up);
    return false;
}
