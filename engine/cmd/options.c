/* Options by table. getopt_long would do the splitting, but permutes argv, prints its own messages and knows no
 * suggestions; the loop below is shorter than its set-up.
 */
#include "cmd/options.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/settings.h"
#include "core/str.h"

static int take_option(const struct option *options, const char *word, const char *next, bool *used_next);
static int add_value(struct option_list *list, const char *name, const char *value);

int options_parse(const struct option *options, int argc, char **argv, struct option_list *arguments)
{
    bool only_arguments = false;

    arguments->count = 0;
    for (int i = 1; i < argc; i++) {
        bool used_next = false;

        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (only_arguments || strncmp(argv[i], "--", 2) != 0) {
            if (add_value(arguments, "the arguments", argv[i]) < 0)
                return -1;
        } else {
            if (take_option(options, argv[i] + 2, argv[i + 1], &used_next) < 0)
                return -1;
            i += used_next;
        }
    }
    return 0;
}

static int add_value(struct option_list *list, const char *name, const char *value)
{
    if (list->count == OPTION_LIST_COUNT_MAX)
        return err_set(E_INPUT, "%s: more than %d values", name, OPTION_LIST_COUNT_MAX);
    list->values[list->count++] = value;
    return 0;
}

static int fail_unknown(const struct option *options, struct str name)
{
    const char *best = NULL;
    size_t best_distance = STR_DISTANCE_MEANT_MAX + 1;
    char typed[64];

    if (name.len < sizeof typed) {
        memcpy(typed, name.ptr, name.len);
        typed[name.len] = '\0';
        for (const struct option *option = options; option->name != NULL; option++) {
            size_t distance = str_distance(typed, option->name);

            if (distance < best_distance) {
                best = option->name;
                best_distance = distance;
            }
        }
    }
    if (best != NULL)
        return err_set(E_INPUT, "there is no option --%.*s; did you mean --%s?", (int)name.len, name.ptr, best);
    return err_set(E_INPUT, "there is no option --%.*s; --help lists them", (int)name.len, name.ptr);
}

static int take_value(const struct option *option, const char *value)
{
    if (option->many != NULL)
        return add_value(option->many, option->name, value);
    *option->text = value;
    return 0;
}

/* `word` is what stands behind the dashes: "name" or "name=value". */
static int take_option(const struct option *options, const char *word, const char *next, bool *used_next)
{
    struct str rest = str_of(word), name = str_cut(&rest, '=');
    const struct option *option = options;

    while (option->name != NULL && !str_is(name, option->name))
        option++;
    if (option->name == NULL)
        return fail_unknown(options, name);
    if (option->flag != NULL) {
        if (rest.ptr != NULL)
            return err_set(E_INPUT, "--%s takes no value", option->name);
        *option->flag = true;
        return 0;
    }
    if (rest.ptr != NULL)
        return take_value(option, rest.ptr);
    if (next == NULL)
        return err_set(E_INPUT, "--%s needs a value", option->name);
    *used_next = true;
    return take_value(option, next);
}

static int set_each(struct settings *settings, const struct option_list *set)
{
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        struct str rest = str_of(set->values[i]), name = str_cut(&rest, '=');
        char *copy = strndup(name.ptr, name.len);

        if (copy == NULL)
            abort();
        int rc = rest.ptr == NULL ? err_set(E_INPUT, "--set %s: needs name=value", set->values[i])
                                  : settings_set(settings, copy, rest.ptr, "--set");
        free(copy);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int options_settings(struct settings *settings, const char *path, const struct option_list *set)
{
    if (path == NULL)
        path = getenv("BTCF_CONFIG");
    if (settings_load(settings, path) < 0)
        return -1;
    if (set_each(settings, set) == 0 && settings_derive(settings) == 0)
        return 0;
    settings_release(settings);
    return -1;
}
