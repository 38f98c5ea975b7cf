/* A column of numbers out of text: which column, which lines, and what is said of a line that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cmd/number_column.h"
#include "core/err.h"
#include "scratch.h"

static int load(struct number_column *column, const char *text, const char *name)
{
    char dir[SCRATCH_SIZE], path[SCRATCH_SIZE + 16];

    scratch_create(dir);
    snprintf(path, sizeof path, "%s/column.csv", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    err_clear();
    int status = number_column_load(column, path, name);
    scratch_remove(dir);
    return status;
}

static void assert_values(const char *text, const char *name, const double *values, size_t count)
{
    struct number_column column;

    assert_int_equal(load(&column, text, name), 0);
    assert_int_equal(column.count, count);
    assert_memory_equal(column.values, values, count * sizeof *values);
    number_column_release(&column);
}

static void assert_refused(const char *text, const char *name, const char *expected)
{
    struct number_column column;

    assert_int_equal(load(&column, text, name), -1);
    assert_int_equal(err_kind(), E_INPUT);
    if (strstr(err_text(), expected) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err_text(), expected);
    assert_null(column.values);
}

static void takes_the_last_column_unless_told(void **state)
{
    (void)state;
    assert_values("t,y\n1,2.5\n2,-3e2\n", NULL, (const double[]){2.5, -300.0}, 2);
    assert_values("t,y\n1,2.5\n2,-3e2\n", "t", (const double[]){1.0, 2.0}, 2);
    assert_values("t,y\n1,2.5\n2,-3e2\n", "1", (const double[]){1.0, 2.0}, 2);
}

static void needs_no_line_of_names_and_no_last_line_end(void **state)
{
    (void)state;
    assert_values("7\n8", NULL, (const double[]){7.0, 8.0}, 2);
    assert_values("7,1\r\n\r\n8,2\r\n", "2", (const double[]){1.0, 2.0}, 2);
}

static void reads_quoted_fields_and_blanks_around_them(void **state)
{
    (void)state;
    assert_values("\"a b\", \"y\"\n\"1\" , 2\n", "a b", (const double[]){1.0}, 1);
}

static void notes_where_values_are_missing(void **state)
{
    struct number_column column;

    (void)state;
    assert_int_equal(load(&column, "y,n\n1,24\nNA,3\n,4\nNaN,5\n2,6\n", "y"), 0);
    assert_int_equal(column.count, 5);
    assert_int_equal(column.missing_count, 3);
    assert_int_equal(column.missing_line, 3);
    assert_true(isnan(column.values[1]) && isnan(column.values[2]) && isnan(column.values[3]));
    number_column_release(&column);
}

static void names_file_line_and_column_of_what_it_cannot_read(void **state)
{
    (void)state;
    assert_refused("t,y\n1,2\n2,x3\n", NULL, ":3: column 2: \"x3\" is no number");
    assert_refused("t,y\n1,2\n2\n", NULL, ":3: has 1 columns; number 2 was asked for");
    assert_refused("t,y\n1,1e999\n", NULL, "\"1e999\" is no number");
    assert_refused("t,y\n1,2\n", "z", "there is no column \"z\" among 2");
    assert_refused("1,2\n", "3", "without a line of names there is no column \"3\" among 2");
    assert_refused("1,2\n", "0", "no column \"0\"");
    assert_refused("y\nNA\n", NULL, "holds no values");
    assert_refused("", NULL, "holds no values");
}

static void says_which_file_is_not_there(void **state)
{
    struct number_column column;

    (void)state;
    assert_int_equal(number_column_load(&column, "/nonexistent/x.csv", NULL), -1);
    assert_non_null(strstr(err_text(), "/nonexistent/x.csv"));
}

static void grows_with_the_file(void **state)
{
    static char text[60000];
    struct number_column column;
    size_t len = 0;

    (void)state;
    for (int i = 0; i < 10000; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%d\n", i);
    assert_int_equal(load(&column, text, NULL), 0);
    assert_int_equal(column.count, 10000);
    assert_true(fabs(column.values[9999] - 9999.0) < 1e-12);
    number_column_release(&column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_last_column_unless_told),
        cmocka_unit_test(needs_no_line_of_names_and_no_last_line_end),
        cmocka_unit_test(reads_quoted_fields_and_blanks_around_them),
        cmocka_unit_test(notes_where_values_are_missing),
        cmocka_unit_test(names_file_line_and_column_of_what_it_cannot_read),
        cmocka_unit_test(says_which_file_is_not_there),
        cmocka_unit_test(grows_with_the_file),
    };
    return cmocka_run_group_tests_name("cmd/number_column", tests, NULL, NULL);
}
