/* btcf fit: one estimator on one column of numbers, told as reference software tells it, so that the two can be compared
 * digit by digit. The forecasting models use the same code, bounded; this face of it is for checking and for curiosity.
 */
#include "cmd/command.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/fit_report.h"
#include "cmd/number_column.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "models/estimate.h"

#define ARENA_MAX ((size_t)2 << 30)
#define PERIOD_MAX 1000
#define NAMES_MAX 1024

/* What the command line says, as text. */
struct request {
    const char *model, *series, *column, *order, *period, *horizon, *seed;
    bool is_json;
};

static int run(int argc, char **argv);

const struct command command_fit = {
    .name = "fit",
    .summary = "estimate one model on a column of numbers",
    .usage =
        "usage: btcf fit --model NAME --series FILE.csv [--column C] [--order TEXT] [--period N]\n"
        "                [--horizon H] [--seed N] [--json]\n"
        "       btcf fit --model list\n\n"
        "Parameters, standard errors, log-likelihood and forecasts of one model, for comparison with other software.\n\n"
        "  --model    one that `btcf fit --model list` names\n"
        "  --series   comma-separated numbers, with or without a line of names; - is standard input\n"
        "  --column   its name, or its number from 1; default: the last one\n"
        "  --order    what would otherwise be chosen: 0,1,1 or 0,1,1x0,1,1 (arima), AAdN (ets), 5,22 (har);\n"
        "             --fixed is the same\n"
        "  --period   length of the season; default 1: none\n"
        "  --horizon  forecasts to make, 0 to 512\n"
        "  --json     for programs: all digits; what a method does not compute is null\n\n"
        "A missing value (NA) is named by its line and refused, but by models that know what to do with it.\n",
    .run = run,
};

static int list_models(void)
{
    for (size_t i = 0; estimators[i] != NULL; i++)
        printf("%-14s %s\n", estimators[i]->name, estimators[i]->summary);
    return EXIT_OK;
}

static int refuse_unknown(const char *name)
{
    struct strbuf names;

    strbuf_init(&names, NAMES_MAX);
    for (size_t i = 0; estimators[i] != NULL; i++)
        strbuf_printf(&names, "%s%s", i > 0 ? " " : "", estimators[i]->name);
    err_set(E_INPUT, "--model: there is no \"%s\"; there are %s", name, names.ptr);
    strbuf_release(&names);
    return -1;
}

/* The whole number that an option gives; *value stays as it is when the option was not given. */
static int parse_whole(const char *option, const char *text, const int64_t range[2], int64_t *value)
{
    if (text == NULL)
        return 0;
    if (str_parse_i64(str_of(text), value) < 0 || *value < range[0] || *value > range[1])
        return err_set(E_INPUT, "%s: \"%s\" is not a whole number from %" PRId64 " to %" PRId64, option, text,
                       range[0], range[1]);
    return 0;
}

static int parse_options(const struct request *request, struct estimate_options *options)
{
    int64_t period = 1, horizon = 0, seed = 0;

    if (parse_whole("--period", request->period, (const int64_t[]){1, PERIOD_MAX}, &period) < 0 ||
        parse_whole("--horizon", request->horizon, (const int64_t[]){0, ESTIMATE_HORIZON_MAX}, &horizon) < 0 ||
        parse_whole("--seed", request->seed, (const int64_t[]){0, INT64_MAX}, &seed) < 0)
        return -1;
    *options = (struct estimate_options){
        .order = request->order, .period = (size_t)period, .horizon = (size_t)horizon, .seed = (uint64_t)seed};
    return 0;
}

static int estimate_column(const struct request *request, const struct estimator *estimator,
                           const struct number_column *column)
{
    struct estimate_options options;
    struct estimate estimate;

    if (parse_options(request, &options) < 0)
        return -1;
    if (column->missing_count > 0 && !estimator->takes_missing)
        return err_set(E_INPUT, "%s:%" PRId64 ": a value is missing, and %s needs them all", request->series,
                       column->missing_line, estimator->name);
    struct arena *arena = arena_create("fit", ARENA_MAX);
    int status = estimator->run(arena, column->values, column->count, &options, &estimate);
    if (status < 0)
        err_wrap("%s", request->series);
    else
        status = request->is_json ? fit_report_json(estimator->name, &estimate)
                                  : fit_report_table(estimator->name, &estimate);
    arena_free(&arena);
    return status;
}

static int fit(const struct request *request)
{
    struct number_column column;

    if (request->model == NULL)
        return err_set(E_INPUT, "--model is missing; `btcf fit --model list` names them");
    if (strcmp(request->model, "list") == 0)
        return list_models();
    const struct estimator *estimator = estimator_find(request->model);
    if (estimator == NULL)
        return refuse_unknown(request->model);
    if (request->series == NULL)
        return err_set(E_INPUT, "--series is missing; see btcf help fit");
    if (number_column_load(&column, request->series, request->column) < 0)
        return -1;
    int status = estimate_column(request, estimator, &column);
    number_column_release(&column);
    return status < 0 ? -1 : EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct request request = {.model = NULL};
    const struct cli_option table[] = {
        {.name = "--model", .value = &request.model},     {.name = "--series", .value = &request.series},
        {.name = "--column", .value = &request.column},   {.name = "--order", .value = &request.order},
        {.name = "--fixed", .value = &request.order},     {.name = "--period", .value = &request.period},
        {.name = "--horizon", .value = &request.horizon}, {.name = "--seed", .value = &request.seed},
        {.name = "--json", .flag = &request.is_json},     {.name = NULL},
    };
    struct cli cli;
    int result;

    if (cli_parse(&cli, argc, argv, table) < 0)
        return -1;
    if (cli.word_count > 0)
        result = err_set(E_INPUT, "\"%s\" belongs to no option; see btcf help fit", cli.words[0]);
    else
        result = fit(&request);
    cli_release(&cli);
    return result;
}
