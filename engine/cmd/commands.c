/* The registry of subcommands, made from commands.def, and how a name is found in it. */
#include "cmd/command.h"

#include <string.h>

#include "core/str.h"

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

const char *command_suggest(const char *name)
{
    const char *best = NULL;
    size_t best_distance = STR_DISTANCE_MEANT_MAX + 1;

    for (size_t i = 0; commands[i] != NULL; i++) {
        size_t distance = str_distance(name, commands[i]->name);

        if (distance < best_distance && distance < strlen(commands[i]->name)) {
            best = commands[i]->name;
            best_distance = distance;
        }
    }
    return best;
}
