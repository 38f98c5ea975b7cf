/* The settings: one struct made from settings.def, filled from defaults, then a libconfuse file, then the environment.
 *
 * Read-only after start, but for settings_reload in the process that reads the configuration again. Texts belong to the struct and live until settings_release. A SECRET is never printed: dump
 * shows "(set)" or "(empty)".
 */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include "core/base.h"
#include "core/str.h"

#define SETTING_C_TEXT char *
#define SETTING_C_SECRET char *
#define SETTING_C_INTEGER int64_t
#define SETTING_C_NUMBER double
#define SETTING_C_BOOL bool

struct settings {
#define SETTING(name, type, initial, minimum, maximum, unit, reloadable, help) SETTING_C_##type name;
#include "core/settings.def"
#undef SETTING
};

enum setting_type { SETTING_TEXT, SETTING_SECRET, SETTING_INTEGER, SETTING_NUMBER, SETTING_BOOL };

/* One row of settings.def. */
struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;           /* of the field in struct settings */
    double minimum, maximum; /* of the value; of a text: of its length. Both are allowed */
    const char *unit;        /* "ms"; "" when there is none */
    bool reloadable;
    const char *help;
};

/* In table order; ends with a row whose name is NULL. */
extern const struct setting setting_table[];

/* The defaults alone. */
void settings_init(struct settings *settings);

/* Defaults, then `path` (NULL: no file), then BTCF_* variables. E_INPUT names file, line and setting. On failure there
 * is nothing to release. */
int settings_load(struct settings *settings, const char *path) BTCF_MUST_CHECK;
void settings_release(struct settings *settings);

/* Sets one by name from text, with the checks of the table (command line, tests). `where` stands in errors. */
int settings_set(struct settings *settings, const char *name, const char *value, const char *where) BTCF_MUST_CHECK;

/* The same values in a struct of its own, to be released like any other. */
void settings_copy(struct settings *to, const struct settings *from);

/* What a program does that has read its configuration again. `first` is what the sources said at the start, before
 * anything was derived, `again` what they say now. Reloadable settings are taken from `again`; any other keeps its
 * value, and when the sources now say something else of it, its name is added to `kept` ("mode, http_port"). True when
 * a value of `settings` has changed. */
bool settings_reload(struct settings *settings, const struct settings *first, const struct settings *again,
                     struct strbuf *kept);

/* name = value lines in table order, as a file that settings_load reads; secrets are comments. */
void settings_dump(const struct settings *settings, struct strbuf *out);

/* Fills in what is derived from the rest: state_dir becomes absolute; when empty, run_dir, shm_dir, database_url (of
 * the private server in run_dir) and postgres_bin_dir get their values. Creates nothing. Checks that run_dir is short
 * enough for sockets and that shm_dir is, or will be, in a tmpfs. E_INPUT or E_STORE says what is in the way and the
 * remedy. postgres_bin_dir stays empty when no server is installed: only who needs one complains. */
int settings_derive(struct settings *settings) BTCF_MUST_CHECK;

#endif
