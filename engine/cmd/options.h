/* Options of a command as a table: --name VALUE, --name=VALUE, or --name for a flag; everything else is an argument.
 *
 *     const char *from = NULL;
 *     struct option_list files = {0};
 *     bool json = false;
 *     const struct option options[] = {
 *         OPTION_TEXT("from", &from), OPTION_MANY("candles", &files), OPTION_FLAG("json", &json), OPTION_END,
 *     };
 *     struct option_list arguments;
 *     if (options_parse(options, argc, argv, &arguments) < 0)
 *         return -1;
 *
 * Texts are those of argv. What a value means, and which are required, is the command's business.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "core/base.h"

struct settings;

#define OPTION_LIST_COUNT_MAX 32

struct option_list {
    const char *values[OPTION_LIST_COUNT_MAX];
    size_t count;
};

/* One of text, many and flag is not NULL. */
struct option {
    const char *name; /* without the dashes */
    const char **text;
    struct option_list *many;
    bool *flag;
};

#define OPTION_TEXT(name, ptr) ((struct option){(name), (ptr), NULL, NULL})
#define OPTION_MANY(name, ptr) ((struct option){(name), NULL, (ptr), NULL})
#define OPTION_FLAG(name, ptr) ((struct option){(name), NULL, NULL, (ptr)})
#define OPTION_END ((struct option){0})

/* Fills in what was given; the rest keeps its value. "--" ends the options. E_INPUT for an unknown option (with what
 * may have been meant), a missing value, too many values. Of an
 * option given twice that is not OPTION_MANY the last one counts, so that scripts can add to a given command line. */
int options_parse(const struct option *options, int argc, char **argv, struct option_list *arguments) BTCF_MUST_CHECK;

/* The settings of a command: `path`, else what BTCF_CONFIG names, else no file; then each of `set` ("name=value", of
 * --set options; may be NULL); then settings_derive. The caller releases them. E_INPUT, E_STORE. */
int options_settings(struct settings *settings, const char *path, const struct option_list *set) BTCF_MUST_CHECK;

#endif
