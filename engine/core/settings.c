/* The settings as a table: what settings.def says becomes rows with an offset, and everything else walks the rows.
 * Reading files and the environment is settings_load.c, filling in what is derived is settings_derive.c.
 */
#include "core/settings.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"

const struct setting setting_table[] = {
#define SETTING(name, type, initial, minimum, maximum, unit, reloadable, help)                                       \
    {#name, SETTING_##type, offsetof(struct settings, name), minimum, maximum, unit, reloadable, help},
#include "core/settings.def"
#undef SETTING
    {0},
};

static char *copy_text(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        abort();
    return copy;
}

#define INIT_TEXT(field, initial) (field) = copy_text(initial)
#define INIT_SECRET(field, initial) (field) = copy_text(initial)
#define INIT_INTEGER(field, initial) (field) = (initial)
#define INIT_NUMBER(field, initial) (field) = (initial)
#define INIT_BOOL(field, initial) (field) = (initial)

void settings_init(struct settings *settings)
{
#define SETTING(name, type, initial, minimum, maximum, unit, reloadable, help) INIT_##type(settings->name, initial);
#include "core/settings.def"
#undef SETTING
}

/* The field of a row. The row's type says what it points to. */
static void *field_of(const struct settings *settings, const struct setting *setting)
{
    return (char *)settings + setting->offset;
}

static char **text_of(const struct settings *settings, const struct setting *setting)
{
    return field_of(settings, setting);
}

static bool is_text(const struct setting *setting)
{
    return setting->type == SETTING_TEXT || setting->type == SETTING_SECRET;
}

void settings_release(struct settings *settings)
{
    for (const struct setting *setting = setting_table; setting->name != NULL; setting++) {
        if (is_text(setting)) {
            free(*text_of(settings, setting));
            *text_of(settings, setting) = NULL;
        }
    }
}

/* Of a value that is no text. */
static size_t size_of(const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_INTEGER:
        return sizeof(int64_t);
    case SETTING_NUMBER:
        return sizeof(double);
    case SETTING_BOOL:
        return sizeof(bool);
    case SETTING_TEXT:
    case SETTING_SECRET:
        break;
    }
    abort();
}

static void copy_value(struct settings *to, const struct settings *from, const struct setting *setting)
{
    if (!is_text(setting)) {
        memcpy(field_of(to, setting), field_of(from, setting), size_of(setting));
        return;
    }
    free(*text_of(to, setting));
    *text_of(to, setting) = copy_text(*text_of(from, setting));
}

void settings_copy(struct settings *to, const struct settings *from)
{
    settings_init(to);
    for (const struct setting *setting = setting_table; setting->name != NULL; setting++)
        copy_value(to, from, setting);
}

/* Numbers by their bits: the same text always gives the same ones, and nothing is calculated in between. */
static bool is_same(const struct settings *a, const struct settings *b, const struct setting *setting)
{
    if (is_text(setting))
        return strcmp(*text_of(a, setting), *text_of(b, setting)) == 0;
    return memcmp(field_of(a, setting), field_of(b, setting), size_of(setting)) == 0;
}

bool settings_reload(struct settings *settings, const struct settings *first, const struct settings *again,
                     struct strbuf *kept)
{
    bool has_changed = false;

    for (const struct setting *setting = setting_table; setting->name != NULL; setting++) {
        if (!setting->reloadable) {
            if (!is_same(first, again, setting))
                strbuf_printf(kept, "%s%s", kept->len > 0 ? ", " : "", setting->name);
        } else if (!is_same(settings, again, setting)) {
            copy_value(settings, again, setting);
            has_changed = true;
        }
    }
    return has_changed;
}

static int set_text(struct settings *settings, const struct setting *setting, const char *value)
{
    size_t len = strlen(value);

    if ((double)len < setting->minimum || (double)len > setting->maximum)
        return err_set(E_INPUT, "%s: has %zu characters, needs %.0f to %.0f", setting->name, len, setting->minimum,
                       setting->maximum);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return err_set(E_INPUT, "%s: has a control character", setting->name);

    char *copy = copy_text(value); /* first: value may be the old text itself */
    free(*text_of(settings, setting));
    *text_of(settings, setting) = copy;
    return 0;
}

static int check_range(const struct setting *setting, double value)
{
    if (value >= setting->minimum && value <= setting->maximum)
        return 0;
    return err_set(E_INPUT, "%s: %.15g is not between %.15g and %.15g%s%s", setting->name, value, setting->minimum,
                   setting->maximum, setting->unit[0] == '\0' ? "" : " ", setting->unit);
}

static int set_integer(struct settings *settings, const struct setting *setting, const char *value)
{
    int64_t number;

    if (str_parse_i64(str_of(value), &number) < 0)
        return err_set(E_INPUT, "%s: \"%s\" is not an integer", setting->name, value);
    if (check_range(setting, (double)number) < 0)
        return -1;
    *(int64_t *)field_of(settings, setting) = number;
    return 0;
}

static int set_number(struct settings *settings, const struct setting *setting, const char *value)
{
    double number;

    if (str_parse_double(str_of(value), &number) < 0)
        return err_set(E_INPUT, "%s: \"%s\" is not a number", setting->name, value);
    if (check_range(setting, number) < 0)
        return -1;
    *(double *)field_of(settings, setting) = number;
    return 0;
}

static int set_bool(struct settings *settings, const struct setting *setting, const char *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

    for (size_t i = 0; i < BTCF_LENGTH(words); i++) {
        if (strcmp(value, words[i]) == 0) {
            *(bool *)field_of(settings, setting) = i % 2 == 1;
            return 0;
        }
    }
    return err_set(E_INPUT, "%s: \"%s\" is neither true nor false", setting->name, value);
}

static const struct setting *find_setting(const char *name)
{
    const struct setting *setting = setting_table;

    while (setting->name != NULL && strcmp(setting->name, name) != 0)
        setting++;
    return setting->name == NULL ? NULL : setting;
}

static const char *nearest_name(const char *name)
{
    const char *best = NULL;
    size_t best_distance = STR_DISTANCE_MEANT_MAX + 1;

    for (const struct setting *setting = setting_table; setting->name != NULL; setting++) {
        size_t distance = str_distance(name, setting->name);

        if (distance < best_distance) {
            best = setting->name;
            best_distance = distance;
        }
    }
    return best;
}

static int fail_unknown(const char *name)
{
    const char *nearest = nearest_name(name);

    if (nearest != NULL)
        return err_set(E_INPUT, "there is no setting \"%s\"; did you mean %s?", name, nearest);
    return err_set(E_INPUT, "there is no setting \"%s\"; `btcf config dump` lists them", name);
}

static int set_value(struct settings *settings, const char *name, const char *value)
{
    const struct setting *setting = find_setting(name);

    if (setting == NULL)
        return fail_unknown(name);
    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_SECRET:
        return set_text(settings, setting, value);
    case SETTING_INTEGER:
        return set_integer(settings, setting, value);
    case SETTING_NUMBER:
        return set_number(settings, setting, value);
    case SETTING_BOOL:
        return set_bool(settings, setting, value);
    }
    abort();
}

int settings_set(struct settings *settings, const char *name, const char *value, const char *where)
{
    return set_value(settings, name, value) < 0 ? err_wrap("%s", where) : 0;
}

/* libconfuse's double quotes: backslash escapes, and ${NAME} would be taken from the environment. */
static void add_quoted(struct strbuf *out, const char *text)
{
    strbuf_add_char(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\' || *text == '$')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *text);
    }
    strbuf_add_char(out, '"');
}

static void dump_value(const struct settings *settings, const struct setting *setting, struct strbuf *out)
{
    switch (setting->type) {
    case SETTING_TEXT:
        add_quoted(out, *text_of(settings, setting));
        break;
    case SETTING_SECRET:
        strbuf_add_text(out, (*text_of(settings, setting))[0] == '\0' ? "(empty)" : "(set)");
        break;
    case SETTING_INTEGER:
        strbuf_printf(out, "%lld", (long long)*(const int64_t *)field_of(settings, setting));
        break;
    case SETTING_NUMBER:
        strbuf_printf(out, "%.15g", *(const double *)field_of(settings, setting));
        break;
    case SETTING_BOOL:
        strbuf_add_text(out, *(const bool *)field_of(settings, setting) ? "true" : "false");
        break;
    }
}

void settings_dump(const struct settings *settings, struct strbuf *out)
{
    for (const struct setting *setting = setting_table; setting->name != NULL; setting++) {
        strbuf_printf(out, "# %s%s%s%s\n", setting->help, setting->unit[0] == '\0' ? "" : " (", setting->unit,
                      setting->unit[0] == '\0' ? "" : ")");
        strbuf_printf(out, "%s%s = ", setting->type == SETTING_SECRET ? "# " : "", setting->name);
        dump_value(settings, setting, out);
        strbuf_add_char(out, '\n');
    }
}
