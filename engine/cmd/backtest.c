/* btcf backtest: the command line made into a plan (eval/backtest.h), the candles made into its series, and the walk
 * handed to cmd/backtest_job.c.
 */
#include "cmd/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/backtest_job.h"
#include "cmd/backtest_report.h"
#include "cmd/candle_series.h"
#include "cmd/cli.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/str.h"
#include "eval/backtest.h"
#include "market/candle.h"

#define ARENA_MAX ((size_t)2 << 30)
#define AMOUNT_MAX 100000 /* of minutes, hours or days in a duration */

/* What the command line says, as text. */
struct request {
    struct cli_list candles;
    const char *interval, *from, *to, *step, *horizons, *models, *out, *report, *workers;
};

static int run(int argc, char **argv);

const struct command command_backtest = {
    .name = "backtest",
    .summary = "walk-forward forecasts from candle files, with their scores",
    .usage =
        "usage: btcf backtest --candles FILE [--candles FILE2] --interval 1h|1d --from TIME --to TIME\n"
        "                     --horizons 1h,1d,7d [--models rw-gauss,ensemble] [--step 1d] [--out FILE.csv]\n"
        "                     [--report FILE.html|FILE.svg] [--workers N]\n\n"
        "At each origin from --from on (inclusive) until --to (exclusive), every --step (default: the interval),\n"
        "forecasts with what was known then and scores with what came. Needs neither database nor network.\n\n"
        "  --candles   a file in any format that `btcf import` reads; several are put together, a later one over an\n"
        "              earlier one. A bad row ends the run and is named by file and line. A missing candle counts as\n"
        "              the last close.\n"
        "  --interval  what the models work on: 1h, or 1d (made from 1h candles when no file is daily)\n"
        "  --horizons  1h 4h 12h 1d 3d 7d 14d 30d, or any number of h or d; 1d on hourly candles means 24 steps\n"
        "  --models    default: all of them and the ensemble\n"
        "  --out       model,origin,horizon_s,origin_price,target,actual,q0.005,...,q0.995 in unix seconds and USD;\n"
        "              no row without an actual; the file appears under its name only when it is whole. Until then\n"
        "              FILE.csv.partial keeps what is done: stopped or killed, the same command goes on from there\n"
        "  --report    the scores as a page or an image: skill, coverage, PIT histograms, forecasts against what came\n"
        "  --workers   processes; default: one per processor. The result does not depend on it.\n\n"
        "Times: 2023-04-01, RFC 3339, or unix seconds.\n",
    .run = run,
};

static int parse_time(const char *option, const char *text, int64_t *unix_ms)
{
    if (text == NULL)
        return err_set(E_INPUT, "%s is missing; see btcf help backtest", option);
    if (time_parse(str_of(text), unix_ms) < 0)
        return err_set(E_INPUT, "%s: \"%s\" is no time (2023-04-01, RFC 3339 or unix seconds)", option, text);
    return 0;
}

/* "4h", "7d" and the like to seconds. */
static int parse_duration(const char *option, struct str text, int64_t *seconds)
{
    int64_t unit = 0, amount;

    if (text.len > 1)
        unit = text.ptr[text.len - 1] == 'h'   ? MS_PER_HOUR / MS_PER_S
               : text.ptr[text.len - 1] == 'd' ? MS_PER_DAY / MS_PER_S
                                               : 0;
    if (unit == 0 || str_parse_i64((struct str){text.ptr, text.len - 1}, &amount) < 0 || amount < 1 ||
        amount > AMOUNT_MAX)
        return err_set(E_INPUT, "%s: \"%.*s\" is no duration (4h, 1d)", option, (int)text.len, text.ptr);
    *seconds = amount * unit;
    return 0;
}

static int parse_horizons(const char *text, int64_t *horizons_s, struct backtest_plan *plan)
{
    if (text == NULL)
        return err_set(E_INPUT, "--horizons is missing; see btcf help backtest");
    for (struct str rest = str_of(text); rest.ptr != NULL;) {
        struct str word = str_cut(&rest, ',');

        if (plan->horizon_count == ISSUE_HORIZONS_MAX)
            return err_set(E_INPUT, "--horizons: more than %d of them", ISSUE_HORIZONS_MAX);
        if (parse_duration("--horizons", word, &horizons_s[plan->horizon_count++]) < 0)
            return -1;
    }
    plan->horizons_s = horizons_s;
    return 0;
}

static int parse_models(struct arena *arena, const char *text, struct backtest_plan *plan)
{
    if (text == NULL) {
        while (models[plan->model_count] != NULL) {
            plan->models[plan->model_count] = models[plan->model_count]->name;
            plan->model_count++;
        }
        plan->models[plan->model_count++] = ISSUE_ENSEMBLE;
        return 0;
    }
    for (struct str rest = str_of(text); rest.ptr != NULL;) {
        struct str word = str_cut(&rest, ',');

        if (plan->model_count == BACKTEST_MODELS_MAX)
            return err_set(E_INPUT, "--models: more than %d of them", BACKTEST_MODELS_MAX);
        plan->models[plan->model_count++] = arena_strndup(arena, word.ptr, word.len);
    }
    return 0;
}

static int parse_interval(const char *text, int64_t *interval_s)
{
    if (text == NULL)
        return err_set(E_INPUT, "--interval is missing; see btcf help backtest");
    if (interval_parse(str_of(text), interval_s) < 0)
        return err_wrap("--interval");
    if (*interval_s != MS_PER_HOUR / MS_PER_S && *interval_s != MS_PER_DAY / MS_PER_S)
        return err_set(E_INPUT, "--interval: models work on 1h or 1d, not on %s", text);
    return 0;
}

static int parse_workers(const char *text, size_t *workers)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t count = processors < 1 ? 1 : processors;

    if (text != NULL && (str_parse_i64(str_of(text), &count) < 0 || count < 1 || count > BACKTEST_WORKERS_MAX))
        return err_set(E_INPUT, "--workers: \"%s\" is no number from 1 to %d", text, BACKTEST_WORKERS_MAX);
    *workers = count > BACKTEST_WORKERS_MAX ? BACKTEST_WORKERS_MAX : (size_t)count;
    return 0;
}

/* Everything that can be seen to be wrong before the candles are read. */
static int parse_request(struct arena *arena, const struct request *request, struct backtest_job *job)
{
    struct backtest_plan *plan = &job->plan;
    int64_t interval_s, step_s;
    int64_t *horizons_s = arena_array(arena, ISSUE_HORIZONS_MAX, sizeof *horizons_s);

    if (request->candles.count == 0)
        return err_set(E_INPUT, "--candles is missing; see btcf help backtest");
    if (parse_interval(request->interval, &interval_s) < 0 ||
        parse_time("--from", request->from, &plan->from_ms) < 0 ||
        parse_time("--to", request->to, &plan->to_ms) < 0 ||
        parse_horizons(request->horizons, horizons_s, plan) < 0 || parse_models(arena, request->models, plan) < 0 ||
        parse_workers(request->workers, &job->worker_count) < 0)
        return -1;
    step_s = interval_s;
    if (request->step != NULL && parse_duration("--step", str_of(request->step), &step_s) < 0)
        return -1;
    plan->step_ms = step_s * MS_PER_S;
    job->interval_s = interval_s;
    job->out = request->out;
    job->report = request->report;
    return job->report == NULL ? 0 : backtest_report_check(job->report);
}

static int backtest(struct arena *arena, const struct request *request)
{
    struct backtest_job job = {0};
    struct series series;

    if (parse_request(arena, request, &job) < 0 ||
        candle_series_load(arena, request->candles.values, request->candles.count, job.interval_s, &series) < 0)
        return -1;
    job.plan.series = &series;
    if (backtest_check(&job.plan) < 0)
        return -1;
    return backtest_job_run(arena, &job);
}

static int run(int argc, char **argv)
{
    struct request request = {0};
    const struct cli_option table[] = {
        {.name = "--candles", .list = &request.candles},
        {.name = "--interval", .value = &request.interval},
        {.name = "--from", .value = &request.from},
        {.name = "--to", .value = &request.to},
        {.name = "--step", .value = &request.step},
        {.name = "--horizons", .value = &request.horizons},
        {.name = "--models", .value = &request.models},
        {.name = "--out", .value = &request.out},
        {.name = "--report", .value = &request.report},
        {.name = "--workers", .value = &request.workers},
        {.name = NULL},
    };
    struct cli cli;

    if (cli_parse(&cli, argc, argv, table) < 0)
        return -1;
    int rc = 0;
    if (cli.word_count > 0)
        rc = err_set(E_INPUT, "\"%s\" is not expected here; see btcf help backtest", cli.words[0]);
    cli_release(&cli);
    struct arena *arena = arena_create("backtest", ARENA_MAX);
    if (rc == 0)
        rc = backtest(arena, &request);
    arena_free(&arena);
    return rc < 0 ? -1 : EXIT_OK;
}
