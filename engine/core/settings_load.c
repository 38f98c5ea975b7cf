/* Where settings come from: a file that libconfuse reads, then the environment, each on top of the one before.
 *
 * libconfuse only splits the file into names and values with their lines; what a value means is settings_set's
 * business, the same for a file, a variable and an option. So every setting is registered as a value that keeps the
 * line it stood on, and libconfuse's own notion of types is not used.
 */
#include "core/settings.h"

#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"

#define SETTINGS_COUNT_MAX 256
#define NAME_SIZE 96
#define SECRET_SIZE_MAX 4096
#define WHERE_SIZE 1024
#define FILE_SUFFIX "_file"
#define FILE_SIZE_MAX ((size_t)1 << 20)

/* A value of the file and the line that it stood on. */
struct value {
    int line;
    char text[];
};

static int load_file(struct settings *settings, const char *path);
static int load_environment(struct settings *settings);

int settings_load(struct settings *settings, const char *path)
{
    settings_init(settings);
    if ((path == NULL || load_file(settings, path) == 0) && load_environment(settings) == 0)
        return 0;
    settings_release(settings);
    return -1;
}

static int keep_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
    size_t size = strlen(text) + 1;
    struct value *value = malloc(sizeof *value + size);

    (void)opt;
    if (value == NULL)
        abort();
    value->line = cfg->line;
    memcpy(value->text, text, size);
    *(void **)result = value;
    return 0;
}

static void BTCF_PRINTF(2, 0) keep_error(cfg_t *cfg, const char *fmt, va_list args)
{
    char text[ERR_TEXT_MAX];

    vsnprintf(text, sizeof text, fmt, args);
    err_set(E_INPUT, "%s:%d: %s", cfg->filename, cfg->line, text);
}

/* A secret's value is what its file holds, without the newline that editors put at the end. */
static int set_from_file(struct settings *settings, const char *name, const char *path, const char *where)
{
    char text[SECRET_SIZE_MAX + 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    int error = errno;

    if (fd >= 0)
        close(fd);
    if (len < 0)
        return err_set(E_INPUT, "%s: %s" FILE_SUFFIX ": cannot read %s: %s", where, name, path, strerror(error));
    text[len] = '\0';
    if (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    if (strlen(text) != (size_t)len)
        return err_set(E_INPUT, "%s: %s" FILE_SUFFIX ": %s has a NUL byte", where, name, path);
    int rc = settings_set(settings, name, text, where);
    explicit_bzero(text, sizeof text);
    return rc;
}

/* One place where a setting may be given: as it is, or for a secret as the path of a file. NULL: not given. */
static int set_either(struct settings *settings, const char *name, const char *direct, const char *file_path,
                      const char *where)
{
    if (direct != NULL && file_path != NULL)
        return err_set(E_INPUT, "%s: %s is given twice, as it is and as %s" FILE_SUFFIX, where, name, name);
    if (file_path != NULL)
        return set_from_file(settings, name, file_path, where);
    return direct == NULL ? 0 : settings_set(settings, name, direct, where);
}

static int take_values(struct settings *settings, cfg_t *cfg, const char *path)
{
    for (const struct setting *setting = setting_table; setting->name != NULL; setting++) {
        char file_name[NAME_SIZE], where[WHERE_SIZE];
        const struct value *direct = cfg_getptr(cfg, setting->name), *in_file = NULL;

        if (setting->type == SETTING_SECRET) {
            snprintf(file_name, sizeof file_name, "%s" FILE_SUFFIX, setting->name);
            in_file = cfg_getptr(cfg, file_name);
        }
        if (direct == NULL && in_file == NULL)
            continue;
        snprintf(where, sizeof where, "%s:%d", path, in_file != NULL ? in_file->line : direct->line);
        if (set_either(settings, setting->name, direct == NULL ? NULL : direct->text,
                       in_file == NULL ? NULL : in_file->text, where) < 0)
            return -1;
    }
    return 0;
}

/* The option list for libconfuse, which copies it. */
static cfg_t *create_parser(void)
{
    cfg_opt_t options[2 * SETTINGS_COUNT_MAX + 1];
    char names[SETTINGS_COUNT_MAX][NAME_SIZE];
    size_t count = 0, secrets = 0;

    for (const struct setting *setting = setting_table; setting->name != NULL; setting++) {
        options[count++] = (cfg_opt_t)CFG_PTR_CB(setting->name, NULL, CFGF_NONE, keep_value, free);
        if (setting->type != SETTING_SECRET)
            continue;
        snprintf(names[secrets], NAME_SIZE, "%s" FILE_SUFFIX, setting->name);
        options[count++] = (cfg_opt_t)CFG_PTR_CB(names[secrets++], NULL, CFGF_NONE, keep_value, free);
    }
    options[count] = (cfg_opt_t)CFG_END();

    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL)
        abort();
    cfg_set_error_function(cfg, keep_error);
    return cfg;
}

/* libconfuse's scanner ends the whole program when it cannot read what it could open, as with a directory. */
static int check_readable(const char *path)
{
    struct stat info;

    if (stat(path, &info) < 0)
        return err_set(E_INPUT, "cannot read the settings in %s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return err_set(E_INPUT, "cannot read the settings in %s: not a regular file", path);
    return 0;
}

/* Blanks what stands behind # or // outside of quotes. libconfuse would skip it as well, but counts the lines of
 * comments wrongly, and an error that names the wrong line is worse than none. */
static void blank_comments(char *text)
{
    char quote = '\0';

    for (char *c = text; *c != '\0'; c++) {
        if (quote != '\0') {
            if (*c == '\\' && c[1] != '\0')
                c++;
            else if (*c == quote)
                quote = '\0';
        } else if (*c == '"' || *c == '\'') {
            quote = *c;
        } else if (*c == '#' || (*c == '/' && c[1] == '/')) {
            for (; *c != '\0' && *c != '\n'; c++)
                *c = ' ';
            if (*c == '\0')
                return;
        }
    }
}

/* The file without its comments, as a stream over *text, which the caller frees after it. NULL with the error set. */
static FILE *open_text(const char *path, char **text)
{
    FILE *file = fopen(path, "re");

    *text = malloc(FILE_SIZE_MAX + 2);
    if (*text == NULL)
        abort();
    size_t len = file != NULL ? fread(*text, 1, FILE_SIZE_MAX, file) : 0;
    bool is_read = file != NULL && !ferror(file), is_whole = is_read && feof(file);
    int error = errno;
    if (file != NULL)
        fclose(file);
    (*text)[len] = '\0';
    if (is_whole) {
        blank_comments(*text);
        memcpy(*text + len, "\n", 2); /* a stream of nothing cannot be opened */
        return fmemopen(*text, len + 1, "r");
    }
    if (is_read)
        err_set(E_INPUT, "the settings in %s are more than %zu bytes", path, FILE_SIZE_MAX);
    else
        err_set(E_INPUT, "cannot read the settings in %s: %s", path, strerror(error));
    return NULL;
}

static int parse_stream(struct settings *settings, const char *path, FILE *stream)
{
    cfg_t *cfg = create_parser();
    int rc = -1;

    cfg->filename = strdup(path); /* cfg_free frees it */
    err_clear();
    if (cfg_parse_fp(cfg, stream) == CFG_SUCCESS)
        rc = take_values(settings, cfg, path);
    else if (err_kind() == E_NONE)
        err_set(E_INPUT, "%s: is not a file of settings", path);
    cfg_free(cfg);
    return rc;
}

static int load_file(struct settings *settings, const char *path)
{
    char *text = NULL;

    if (check_readable(path) < 0)
        return -1;
    FILE *stream = open_text(path, &text);
    int rc = stream != NULL ? parse_stream(settings, path, stream) : -1;
    if (stream != NULL)
        fclose(stream);
    free(text);
    return rc;
}

/* The value of BTCF_<NAME><SUFFIX>, or NULL; the variable's name goes to `variable`. */
static const char *find_variable(const char *name, const char *suffix, char variable[NAME_SIZE])
{
    snprintf(variable, NAME_SIZE, "BTCF_%s%s", name, suffix);
    for (char *c = variable; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return getenv(variable);
}

static int load_environment(struct settings *settings)
{
    for (const struct setting *setting = setting_table; setting->name != NULL; setting++) {
        char variable[NAME_SIZE], file_variable[NAME_SIZE];
        const char *direct = find_variable(setting->name, "", variable), *file_path = NULL;

        if (setting->type == SETTING_SECRET)
            file_path = find_variable(setting->name, FILE_SUFFIX, file_variable);
        if (set_either(settings, setting->name, direct, file_path, file_path != NULL ? file_variable : variable) < 0)
            return -1;
    }
    return 0;
}
