/* The bench measures and cleans up after itself. What it measures is judged by people and by `make bench`, not here. */
#include "shm/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm_fixture.h"

static void prints_a_row_for_each_measurement_and_leaves_nothing(void **state)
{
    struct shm_fixture fixture;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    shm_fixture_init(&fixture);

    int missed = shm_bench(fixture.dir, 3000, out);

    fclose(out);
    assert_true(missed >= 0);
    assert_non_null(strstr(text, "unchanged read"));
    assert_non_null(strstr(text, "changed read"));
    assert_non_null(strstr(text, "publication"));
    assert_non_null(strstr(text, "1000 keys: key "));
    assert_non_null(strstr(text, "3000 keys: key, its account and plan"));
    assert_non_null(strstr(text, "3000 keys: session, not revoked"));
    assert_non_null(strstr(text, "a look-up among 3000 keys takes"));
    assert_int_equal(shm_fixture_sweep(&fixture, false), 0);
    free(text);
    shm_fixture_release(&fixture);
}

static void says_where_it_could_not_work(void **state)
{
    (void)state;
    assert_int_equal(shm_bench("/nonexistent", 0, stdout), -1);
    assert_int_equal(err_kind(), E_STORE);
    assert_non_null(strstr(err_text(), "/nonexistent"));
}

static void refuses_more_keys_than_a_file_holds(void **state)
{
    struct shm_fixture fixture;
    FILE *out = fopen("/dev/null", "w");

    (void)state;
    shm_fixture_init(&fixture);
    assert_int_equal(shm_bench(fixture.dir, (1u << 24) + 1, out), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_int_equal(shm_fixture_sweep(&fixture, false), 0);
    fclose(out);
    shm_fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_a_row_for_each_measurement_and_leaves_nothing),
        cmocka_unit_test(says_where_it_could_not_work),
        cmocka_unit_test(refuses_more_keys_than_a_file_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
