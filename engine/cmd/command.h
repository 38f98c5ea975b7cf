/* A subcommand of btcf, and the table of all of them.
 *
 * A command is one file, cmd/<name>.c, that defines `const struct command command_<name>`, and one line in
 * cmd/commands.c. main.c finds it by name; `btcf help` and `btcf help <name>` print what stands here.
 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include "core/base.h"

/* Exit statuses of the program. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *summary; /* one line of `btcf help` */
    const char *usage;   /* the whole manual of the command, ends with a newline: "usage: btcf shm dump ...\n" */

    /* argv[0] is the command's name, argv[argc] is NULL. Returns the exit status, or -1 with an error frame, which
     * main prints as "btcf <name>: <text>" (EXIT_USAGE for E_INPUT, else EXIT_FAILED). */
    int (*run)(int argc, char **argv);
};

/* In the order in which help lists them; ends with NULL. */
extern const struct command *const commands[];

/* By name, or NULL. */
const struct command *command_find(const char *name);

/* The name nearest to a mistyped one, or NULL when none is near enough to be meant. */
const char *command_suggest(const char *name);

#endif
