/* btcf migrate: what the schema has and lacks, and bringing it up to this binary. */
#include "cmd/command.h"

#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "store/db.h"
#include "store/migrate.h"

#define ARENA_MAX (4 << 20)

static int status(struct db *db)
{
    struct arena *arena = arena_create("migrate", ARENA_MAX);
    struct migrate_row *rows;
    size_t count = 0;
    int rc = migrate_status(db, arena, &rows, &count);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        char when[TIME_TEXT_SIZE] = "";

        if (rows[i].applied_wall_ms > 0)
            time_format(rows[i].applied_wall_ms, when);
        printf("%04d  %-8s  %-24s  %s\n", rows[i].number, migrate_state_name(rows[i].state), rows[i].name, when);
    }
    arena_free(&arena);
    return rc;
}

static int up(struct db *db)
{
    size_t applied;

    if (migrate_up(db, &applied) < 0)
        return -1;
    if (applied == 0)
        puts("the schema is up to date");
    else
        printf("%zu migration%s applied\n", applied, applied == 1 ? "" : "s");
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    const struct cli_option options[] = {{.name = "--database-url", .setting = "database_url"}, {.name = NULL}};
    struct db *db = NULL;
    struct cli cli;

    if (cli_parse(&cli, argc, argv, options) < 0)
        return -1;
    bool is_up = cli.word_count == 1 && strcmp(cli.words[0], "up") == 0;
    bool is_status = cli.word_count == 1 && strcmp(cli.words[0], "status") == 0;
    int rc = 0;

    if (!is_up && !is_status)
        rc = err_set(E_INPUT, "say what: btcf migrate status, or btcf migrate up");
    if (rc == 0)
        rc = settings_derive(&cli.settings);
    if (rc == 0)
        rc = db_open(&db, cli.settings.database_url, "migrate", cli.settings.database_timeout_ms);
    if (rc == 0)
        rc = is_up ? up(db) : status(db);
    db_close(&db);
    cli_release(&cli);
    return rc;
}

const struct command command_migrate = {
    .name = "migrate",
    .summary = "show or bring up the schema of the store",
    .usage =
        "usage: btcf migrate status|up [--database-url URL] [--config FILE] [--set NAME=VALUE ...]\n"
        "\n"
        "status  lists the migrations: applied, pending, changed (applied with another text), unknown (applied by a\n"
        "        newer btcf) or skipped (a later one was applied without it)\n"
        "up      applies what is pending, each in a transaction; refuses a schema with any of the last three\n",
    .run = run,
};
