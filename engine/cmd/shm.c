/* btcf shm: what stands in the shared files, and how fast it is read. */
#include "cmd/command.h"

#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/settings.h"
#include "core/str.h"
#include "shm/bench.h"
#include "shm/dump.h"

#define BENCH_PARENT "/dev/shm"

static int run(int argc, char **argv);

const struct command command_shm = {
    .name = "shm",
    .summary = "look into the shared files, or time reading them",
    .usage = "usage: btcf shm dump  [--dir DIR] [--config FILE] [--set NAME=VALUE ...]\n"
             "       btcf shm bench [--dir DIR] [--keys N]\n\n"
             "dump   shows headers, sections, documents, curves, newest events and request counts of pub.v1 and\n"
             "       edge.v1 in DIR (default: the setting shm_dir). Changes nothing and may be used on live files.\n"
             "       A damaged file is shown as far as it can be read, each damage in a line with PROBLEM; the exit\n"
             "       status is then 1.\n"
             "bench  makes a segment of its own below DIR (default: " BENCH_PARENT "), prints nanoseconds per read\n"
             "       beside the bars, and removes it; --keys also with so many API keys in it (a million take\n"
             "       seconds and 100 MB). The exit status is 1 when a bar is missed.\n",
    .run = run,
};

static int dump(struct settings *settings, const char *dir)
{
    if (dir == NULL && settings_derive(settings) < 0)
        return -1;
    return shm_dump(dir != NULL ? dir : settings->shm_dir, clock_wall_ms(), stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int bench(const char *dir, const char *keys)
{
    int64_t key_count = 0;

    if (keys != NULL && (str_parse_i64(str_of(keys), &key_count) < 0 || key_count < 0 || key_count > UINT32_MAX))
        return err_set(E_INPUT, "--keys %s: that is no number of keys", keys);

    int missed = shm_bench(dir != NULL ? dir : BENCH_PARENT, (uint32_t)key_count, stdout);

    if (missed < 0)
        return -1;
    return missed == 0 ? EXIT_OK : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
    const char *dir = NULL, *keys = NULL;
    const struct cli_option options[] = {
        {.name = "--dir", .value = &dir}, {.name = "--keys", .value = &keys}, {.name = NULL}};
    struct cli cli;
    int result;

    if (cli_parse(&cli, argc, argv, options) < 0)
        return -1;
    if (cli.word_count == 1 && strcmp(cli.words[0], "dump") == 0)
        result = dump(&cli.settings, dir);
    else if (cli.word_count == 1 && strcmp(cli.words[0], "bench") == 0)
        result = bench(dir, keys);
    else
        result = err_set(E_INPUT, "say `btcf shm dump` or `btcf shm bench`");
    cli_release(&cli);
    return result;
}
