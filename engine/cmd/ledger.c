/* btcf ledger verify: recomputes the ledger of every feed, or of one, from the stored forecasts. */
#include "cmd/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "core/arena.h"
#include "core/err.h"
#include "ledger/chain.h"
#include "store/db.h"

#define ARENA_MAX (4 << 20)

static const char sql_feeds[] = "SELECT feed FROM feed WHERE $1 = '' OR feed = $1 ORDER BY feed LIMIT 10000";

static int verify_one(struct db *db, const char *feed)
{
    struct ledger_report report;

    if (ledger_verify(db, feed, &report) < 0)
        return err_wrap("the ledger of %s is right up to entry %" PRId64, feed, report.entries);
    printf("%-16s %" PRId64 " entries, %" PRId64 " forecasts, head %s\n", feed, report.entries, report.forecasts,
           report.head);
    return 0;
}

static int verify(struct db *db, const char *wanted)
{
    struct arena *arena = arena_create("ledger", ARENA_MAX);
    struct db_rows rows;
    int rc = db_query(db, arena, sql_feeds, &rows, DB_TEXT(wanted != NULL ? wanted : ""), DB_END);

    if (rc == 0 && rows.count == 0 && wanted != NULL)
        rc = err_set(E_MISSING, "there is no feed %s", wanted);
    for (size_t i = 0; rc == 0 && i < rows.count; i++)
        rc = verify_one(db, db_text(&rows, i, 0));
    arena_free(&arena);
    return rc;
}

static int run(int argc, char **argv)
{
    const char *feed = NULL;
    const struct cli_option options[] = {
        {.name = "--database-url", .setting = "database_url"}, {.name = "--feed", .value = &feed}, {.name = NULL}};
    struct db *db = NULL;
    struct cli cli;

    if (cli_parse(&cli, argc, argv, options) < 0)
        return -1;
    int rc = 0;

    if (cli.word_count != 1 || strcmp(cli.words[0], "verify") != 0)
        rc = err_set(E_INPUT, "say what: btcf ledger verify");
    if (rc == 0)
        rc = settings_derive(&cli.settings);
    if (rc == 0)
        rc = db_open(&db, cli.settings.database_url, "ledger", cli.settings.database_timeout_ms);
    if (rc == 0)
        rc = verify(db, feed);
    db_close(&db);
    cli_release(&cli);
    return rc < 0 ? -1 : EXIT_OK;
}

const struct command command_ledger = {
    .name = "ledger",
    .summary = "check that no published forecast was changed since",
    .usage = "usage: btcf ledger verify [--feed NAME] [--database-url URL] [--config FILE] [--set NAME=VALUE ...]\n"
             "\n"
             "Recomputes every entry of the ledger from the stored forecasts: Merkle roots, chained hashes and the\n"
             "head. Prints a line per feed. The first entry that does not hold is named and the exit status is 1.\n"
             "Compare the head with the ledger hash in a forecast that you have kept: a ledger that was rewritten\n"
             "as a whole is consistent, but has another hash.\n",
    .run = run,
};
