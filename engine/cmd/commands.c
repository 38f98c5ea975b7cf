/* The registry of subcommands, made from commands.def, and how a name is found in it. */
#include "cmd/command.h"

#include <string.h>

#define NAME_LEN_MAX 31

#define COMMAND(name) extern const struct command command_##name;
#include "cmd/commands.def"
#undef COMMAND

const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "cmd/commands.def"
#undef COMMAND
    NULL,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static size_t edit_distance(const char *a, const char *b);

const char *command_suggest(const char *name)
{
    const char *best = NULL;
    size_t best_distance = 3; /* two slips may still be meant, three are another word */

    if (strlen(name) > NAME_LEN_MAX)
        return NULL;
    for (size_t i = 0; commands[i] != NULL; i++) {
        size_t distance = edit_distance(name, commands[i]->name);

        if (distance < best_distance && distance < strlen(commands[i]->name)) {
            best = commands[i]->name;
            best_distance = distance;
        }
    }
    return best;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time: row[j] is the distance of a's first i characters to b's first j. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAME_LEN_MAX + 1];
    size_t b_len = strnlen(b, NAME_LEN_MAX);

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t replace = diagonal + (a[i] != b[j]);

            diagonal = row[j + 1];
            row[j + 1] = min_of(replace, min_of(diagonal, row[j]) + 1);
        }
    }
    return row[b_len];
}
