/* The settings: one struct made from settings.def, filled from defaults, then a libconfuse file, then the environment.
 *
 * Read-only after start. Texts belong to the struct and live until settings_release. A SECRET is never printed: dump
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

/* Defaults, then `path` (NULL: no file), then BTCF_* variables. E_INPUT names file, line and setting. */
int settings_load(struct settings *settings, const char *path) BTCF_MUST_CHECK;
void settings_release(struct settings *settings);

/* Sets one by name from text, with the checks of the table (command line, tests). `where` stands in errors. */
int settings_set(struct settings *settings, const char *name, const char *value, const char *where) BTCF_MUST_CHECK;

/* name = value lines in table order, as a file that settings_load reads; secrets are comments. */
void settings_dump(const struct settings *settings, struct strbuf *out);

/* Fills in what is derived: run_dir, shm_dir, postgres_bin_dir, database_url of the private server. E_INPUT or E_STORE
 * says what is in the way and the remedy. */
int settings_derive(struct settings *settings) BTCF_MUST_CHECK;

#endif
