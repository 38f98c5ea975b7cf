/* Settings from every place that they come from, what is said about wrong ones, and what is derived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"
#include "core/settings.h"
#include "scratch.h"

static char dir[SCRATCH_SIZE], path[SCRATCH_SIZE + 32];
static struct settings settings;

static int set_up(void **state)
{
    (void)state;
    scratch_create(dir);
    snprintf(path, sizeof path, "%s/btcf.conf", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    settings_release(&settings);
    unsetenv("BTCF_HTTP_PORT");
    unsetenv("BTCF_DATABASE_URL");
    unsetenv("BTCF_DATABASE_URL_FILE");
    scratch_remove(dir);
    return 0;
}

static void write_file(const char *to, const char *text)
{
    FILE *file = fopen(to, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void load_text(const char *text)
{
    write_file(path, text);
    assert_int_equal(settings_load(&settings, path), 0);
}

/* The file is refused, and the error has `place` (behind the file's name) and `reason`. */
static void refused(const char *text, const char *place, const char *reason)
{
    char expected[sizeof path + 32];

    write_file(path, text);
    assert_int_equal(settings_load(&settings, path), -1);
    assert_int_equal(err_kind(), E_INPUT);
    snprintf(expected, sizeof expected, "%s%s", path, place);
    if (strncmp(err_text(), expected, strlen(expected)) != 0 || strstr(err_text(), reason) == NULL)
        fail_msg("\"%s\" instead of %s ... %s", err_text(), expected, reason);
    assert_null(settings.state_dir); /* nothing to release */
}

static void the_defaults_are_those_of_the_table(void **state)
{
    (void)state;
    assert_int_equal(settings_load(&settings, NULL), 0);
    assert_string_equal(settings.state_dir, "var");
    assert_int_equal(settings.http_port, 8080);
    assert_false(settings.log_text);
    assert_true(settings.replay_speed == 360);
    assert_string_equal(settings.database_url, "");
}

/* A default outside its own bounds could never be written into a file. */
static void every_default_passes_its_own_checks(void **state)
{
    struct strbuf text;

    (void)state;
    assert_int_equal(settings_load(&settings, NULL), 0);
    strbuf_init(&text, 1 << 20);
    settings_dump(&settings, &text);
    settings_release(&settings);
    load_text(text.ptr);
    struct strbuf again;
    strbuf_init(&again, 1 << 20);
    settings_dump(&settings, &again);
    assert_string_equal(again.ptr, text.ptr);
    strbuf_release(&text);
    strbuf_release(&again);
}

static void a_file_replaces_defaults(void **state)
{
    (void)state;
    load_text("# a comment\n"
              "http_port = 9000\n"
              "symbol = \"ETH-USD\"\n"
              "log_text = on\n"
              "replay_speed = 0.5\n");
    assert_int_equal(settings.http_port, 9000);
    assert_string_equal(settings.symbol, "ETH-USD");
    assert_true(settings.log_text);
    assert_true(settings.replay_speed == 0.5);
    assert_int_equal(settings.workers_fast, 1);
}

static void the_environment_wins_over_the_file(void **state)
{
    (void)state;
    setenv("BTCF_HTTP_PORT", "9001", 1);
    load_text("http_port = 9000\n");
    assert_int_equal(settings.http_port, 9001);
}

static void a_dump_survives_awkward_text(void **state)
{
    const char *awkward = "a \"b\" \\c ${HOME} #d 'e'";
    struct strbuf text;

    (void)state;
    settings_init(&settings);
    assert_int_equal(settings_set(&settings, "state_dir", awkward, "test"), 0);
    strbuf_init(&text, 1 << 20);
    settings_dump(&settings, &text);
    settings_release(&settings);
    load_text(text.ptr);
    assert_string_equal(settings.state_dir, awkward);
    strbuf_release(&text);
}

static void a_secret_is_never_dumped(void **state)
{
    struct strbuf text;

    (void)state;
    load_text("database_url = \"host=db password=hunter2\"\n");
    strbuf_init(&text, 1 << 20);
    settings_dump(&settings, &text);
    assert_null(strstr(text.ptr, "hunter2"));
    assert_non_null(strstr(text.ptr, "# database_url = (set)\n"));
    strbuf_release(&text);
}

static void a_secret_may_stand_in_a_file_of_its_own(void **state)
{
    char secret_path[SCRATCH_SIZE + 32], text[SCRATCH_SIZE + 64];

    (void)state;
    snprintf(secret_path, sizeof secret_path, "%s/secret", dir);
    write_file(secret_path, "host=db password=x\n");
    snprintf(text, sizeof text, "database_url_file = \"%s\"\n", secret_path);
    load_text(text);
    assert_string_equal(settings.database_url, "host=db password=x");
    settings_release(&settings);

    setenv("BTCF_DATABASE_URL_FILE", secret_path, 1);
    assert_int_equal(settings_load(&settings, NULL), 0);
    assert_string_equal(settings.database_url, "host=db password=x");
    settings_release(&settings);

    setenv("BTCF_DATABASE_URL", "host=other", 1);
    assert_int_equal(settings_load(&settings, NULL), -1);
    assert_non_null(strstr(err_text(), "given twice"));
}

static void errors_name_file_line_and_setting(void **state)
{
    (void)state;
    refused("\nhttp_port = 0\n", ":2: http_port:", "not between 1 and 65535");
    refused("# one\n# two // three\nsymbol = \"A # B\" # four\nhttp_port = 0\n", ":4: http_port:", "not between");
    refused("http_port = 65536\n", ":1: http_port:", "not between");
    refused("http_port = 80x\n", ":1: http_port:", "not an integer");
    refused("http_port = 80.5\n", ":1: http_port:", "not an integer");
    refused("replay_speed = fast\n", ":1: replay_speed:", "not a number");
    refused("provider_spread_max = nan\n", ":1: provider_spread_max:", "not a number");
    refused("log_text = maybe\n", ":1: log_text:", "neither true nor false");
    refused("symbol = \"ab\"\n", ":1: symbol:", "2 characters");
    refused("symbol = \"ab\tcd\"\n", ":1: symbol:", "control character");
    refused("http_port = 80\n\n\nhttp_prt = 81\n", ":4:", "http_prt");
    refused("http_port = 80\nsymbol\n", ":", "");
    refused("symbol = \"never ends\n", ":", "");
    refused("database_url_file = \"/nonexistent/file\"\n", ":1: database_url_file:", "cannot read");
}

static void a_wrong_secret_is_not_repeated_in_the_error(void **state)
{
    char text[6000] = "database_url = \"hunter2";

    (void)state;
    memset(text + strlen(text), 'x', 5000);
    strcat(text, "\"\n");
    refused(text, ":1: database_url:", "characters");
    assert_null(strstr(err_text(), "hunter2"));
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    assert_int_equal(settings_load(&settings, dir), -1);
    assert_non_null(strstr(err_text(), "not a regular file"));
    assert_int_equal(settings_load(&settings, "/nonexistent"), -1);
    assert_non_null(strstr(err_text(), "/nonexistent"));
}

static void suggests_the_name_that_was_meant(void **state)
{
    (void)state;
    settings_init(&settings);
    assert_int_equal(settings_set(&settings, "http_prot", "80", "--set"), -1);
    assert_string_equal(err_text(), "--set: there is no setting \"http_prot\"; did you mean http_port?");
    assert_int_equal(settings_set(&settings, "something_else", "80", "--set"), -1);
    assert_null(strstr(err_text(), "did you mean"));
}

static void bounds_themselves_are_allowed(void **state)
{
    (void)state;
    settings_init(&settings);
    assert_int_equal(settings_set(&settings, "http_port", "1", "x"), 0);
    assert_int_equal(settings_set(&settings, "http_port", "65535", "x"), 0);
    assert_int_equal(settings_set(&settings, "provider_spread_max", "1", "x"), 0);
    assert_int_equal(settings_set(&settings, "symbol", "ABC", "x"), 0);
    assert_int_equal(settings_set(&settings, "symbol", "ABCDEFGHIJKLMNOPQRSTUVWX", "x"), 0);
    assert_int_equal(settings_set(&settings, "symbol", "ABCDEFGHIJKLMNOPQRSTUVWXY", "x"), -1);
    assert_string_equal(settings.symbol, "ABCDEFGHIJKLMNOPQRSTUVWX"); /* a refused value changes nothing */
}

static void derive(const char *state_dir)
{
    settings_release(&settings);
    settings_init(&settings);
    assert_int_equal(settings_set(&settings, "state_dir", state_dir, "test"), 0);
    if (settings_derive(&settings) < 0)
        fail_msg("%s", err_text());
}

static void places_follow_from_the_state_directory(void **state)
{
    char expected[SCRATCH_SIZE + 64], first[128];

    (void)state;
    derive(dir);
    snprintf(expected, sizeof expected, "%s/run", dir);
    assert_string_equal(settings.run_dir, expected);
    snprintf(expected, sizeof expected, "host='%s/run' dbname=btcf user=btcf", dir);
    assert_string_equal(settings.database_url, expected);
    if (access("/run/btcf", F_OK) < 0)
        assert_int_equal(strncmp(settings.shm_dir, "/dev/shm/btcf-", 14), 0);
    snprintf(first, sizeof first, "%s", settings.shm_dir);

    /* The same directory by another way gives the same places; another directory gives others. */
    char same[SCRATCH_SIZE + 32], other[SCRATCH_SIZE + 32];
    snprintf(same, sizeof same, "%s/x/.././/", dir);
    derive(same);
    assert_string_equal(settings.state_dir, dir);
    assert_string_equal(settings.shm_dir, first);
    snprintf(other, sizeof other, "%s/other", dir);
    derive(other);
    if (access("/run/btcf", F_OK) < 0)
        assert_string_not_equal(settings.shm_dir, first);
}

static void a_relative_state_directory_becomes_absolute(void **state)
{
    char here[512], expected[600];

    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(dir), 0);
    derive("var");
    snprintf(expected, sizeof expected, "%s/var", dir);
    assert_string_equal(settings.state_dir, expected);
    derive("../../../../../../../../../../../../x");
    assert_string_equal(settings.state_dir, "/x");
    assert_int_equal(chdir(here), 0);
}

static void not_derivable(const char *name, const char *value, enum err_kind kind, const char *reason)
{
    settings_release(&settings);
    settings_init(&settings);
    assert_int_equal(settings_set(&settings, name, value, "test"), 0);
    assert_int_equal(settings_derive(&settings), -1);
    assert_int_equal(err_kind(), kind);
    if (strstr(err_text(), reason) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err_text(), reason);
}

static void what_is_in_the_way_is_told_with_the_remedy(void **state)
{
    char longer[128] = "/";

    (void)state;
    memset(longer + 1, 'd', 100);
    not_derivable("state_dir", longer, E_INPUT, "choose a shorter state_dir, or set run_dir");
    not_derivable("state_dir", "/..", E_INPUT, "must not be the root directory");
    not_derivable("shm_dir", "/proc/btcf", E_STORE, "set shm_dir to a directory in one");
    not_derivable("shm_dir", "relative", E_INPUT, "not an absolute path");
    not_derivable("run_dir", "relative", E_INPUT, "not an absolute path");
}

static void what_was_given_is_kept(void **state)
{
    (void)state;
    settings_init(&settings);
    assert_int_equal(settings_set(&settings, "shm_dir", "/dev/shm/mine", "x"), 0);
    assert_int_equal(settings_set(&settings, "run_dir", "/run/mine", "x"), 0);
    assert_int_equal(settings_set(&settings, "database_url", "host=db", "x"), 0);
    assert_int_equal(settings_set(&settings, "postgres_bin_dir", "/opt/pg/bin", "x"), 0);
    assert_int_equal(settings_derive(&settings), 0);
    assert_string_equal(settings.shm_dir, "/dev/shm/mine");
    assert_string_equal(settings.run_dir, "/run/mine");
    assert_string_equal(settings.database_url, "host=db");
    assert_string_equal(settings.postgres_bin_dir, "/opt/pg/bin");
}

static void set(struct settings *to, const char *name, const char *value)
{
    assert_int_equal(settings_set(to, name, value, "test"), 0);
}

static void a_copy_has_every_value_and_lives_on_its_own(void **state)
{
    struct settings copy;
    struct strbuf text, text_of_copy;

    (void)state;
    settings_init(&settings);
    set(&settings, "symbol", "ETH-USD");
    set(&settings, "database_url", "host=db");
    set(&settings, "log_text", "yes");
    set(&settings, "replay_speed", "0.1");
    settings_copy(&copy, &settings);
    strbuf_init(&text, 1 << 20);
    strbuf_init(&text_of_copy, 1 << 20);
    settings_dump(&settings, &text);
    set(&settings, "symbol", "BTC-EUR");
    settings_dump(&copy, &text_of_copy);
    assert_string_equal(text_of_copy.ptr, text.ptr);
    assert_string_equal(copy.database_url, "host=db");
    settings_release(&copy);
    strbuf_release(&text);
    strbuf_release(&text_of_copy);
}

/* A first reading in `first`, derived into `settings`, and what the sources say later in `again`. */
struct readings {
    struct settings first, again;
    struct strbuf kept;
};

static void read_first(struct readings *readings)
{
    settings_init(&settings);
    set(&settings, "state_dir", dir);
    set(&settings, "log_level", "warn");
    settings_copy(&readings->first, &settings);
    settings_copy(&readings->again, &settings);
    assert_int_equal(settings_derive(&settings), 0);
    strbuf_init(&readings->kept, 1 << 16);
}

static void release_readings(struct readings *readings)
{
    settings_release(&readings->first);
    settings_release(&readings->again);
    strbuf_release(&readings->kept);
}

static bool reload(struct readings *readings)
{
    return settings_reload(&settings, &readings->first, &readings->again, &readings->kept);
}

static void what_is_derived_is_no_difference(void **state)
{
    struct readings readings;

    (void)state;
    read_first(&readings);
    assert_false(reload(&readings));
    assert_int_equal(readings.kept.len, 0);
    release_readings(&readings);
}

static void a_reload_takes_what_is_reloadable(void **state)
{
    struct readings readings;

    (void)state;
    read_first(&readings);
    set(&readings.again, "log_level", "debug");
    set(&readings.again, "publish_poll_ms", "50");
    set(&readings.again, "provider_spread_max", "0.5");
    assert_true(reload(&readings));
    assert_string_equal(settings.log_level, "debug");
    assert_int_equal(settings.publish_poll_ms, 50);
    assert_true(settings.provider_spread_max == 0.5);
    assert_int_equal(readings.kept.len, 0);
    assert_false(reload(&readings)); /* taken already */

    set(&readings.again, "log_level", "warn"); /* and back to what it was at first */
    assert_true(reload(&readings));
    assert_string_equal(settings.log_level, "warn");
    release_readings(&readings);
}

static void a_reload_keeps_and_names_the_rest(void **state)
{
    struct readings readings;

    (void)state;
    read_first(&readings);
    set(&readings.again, "symbol", "ETH-USD");
    set(&readings.again, "database_url", "host=db password=hunter2");
    set(&readings.again, "log_text", "true");
    set(&readings.again, "replay_speed", "361");
    set(&readings.again, "http_port", "81");
    assert_false(reload(&readings));
    assert_string_equal(settings.symbol, "BTC-USD");
    assert_null(strstr(settings.database_url, "hunter2"));
    assert_false(settings.log_text);
    assert_int_equal(settings.http_port, 8080);
    assert_string_equal(readings.kept.ptr, "database_url, symbol, log_text, replay_speed, http_port");
    release_readings(&readings);
}

/* What settings_derive fills in and the roles' processes are made from cannot change under them. */
static void nothing_derived_is_reloadable(void **state)
{
    static const char *const derived[] = {"state_dir", "run_dir", "shm_dir", "database_url", "postgres_bin_dir"};

    (void)state;
    settings_init(&settings);
    for (const struct setting *setting = setting_table; setting->name != NULL; setting++)
        for (size_t i = 0; i < BTCF_LENGTH(derived); i++)
            assert_false(strcmp(setting->name, derived[i]) == 0 && setting->reloadable);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_defaults_are_those_of_the_table),
        TEST(every_default_passes_its_own_checks),
        TEST(a_file_replaces_defaults),
        TEST(the_environment_wins_over_the_file),
        TEST(a_dump_survives_awkward_text),
        TEST(a_secret_is_never_dumped),
        TEST(a_secret_may_stand_in_a_file_of_its_own),
        TEST(errors_name_file_line_and_setting),
        TEST(a_wrong_secret_is_not_repeated_in_the_error),
        TEST(a_file_that_cannot_be_read_is_told),
        TEST(suggests_the_name_that_was_meant),
        TEST(bounds_themselves_are_allowed),
        TEST(places_follow_from_the_state_directory),
        TEST(a_relative_state_directory_becomes_absolute),
        TEST(what_is_in_the_way_is_told_with_the_remedy),
        TEST(what_was_given_is_kept),
        TEST(a_copy_has_every_value_and_lives_on_its_own),
        TEST(what_is_derived_is_no_difference),
        TEST(a_reload_takes_what_is_reloadable),
        TEST(a_reload_keeps_and_names_the_rest),
        TEST(nothing_derived_is_reloadable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
