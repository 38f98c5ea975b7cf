/* Arenas: alignment, zeroes, growth, the cap, cleanups in reverse order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "core/arena.h"
#include "death.h"

#define CAP ((size_t)4 << 20)

static void memory_is_zeroed_aligned_and_distinct(void **state)
{
    struct arena *arena = arena_create("test", CAP);
    unsigned char *last = NULL;

    (void)state;
    for (size_t size = 1; size < 3000; size += 7) {
        unsigned char *bytes = arena_alloc(arena, size);

        assert_int_equal((uintptr_t)bytes % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 0xa5, size);
        if (last != NULL)
            assert_int_equal(*last, 0xa5);
        last = bytes;
    }
    arena_free(&arena);
    assert_null(arena);
    arena_free(&arena); /* nothing inside is allowed */
}

static void memory_is_zeroed_again_after_reset(void **state)
{
    struct arena *arena = arena_create("test", CAP);

    (void)state;
    memset(arena_alloc(arena, 1000), 0xff, 1000);
    arena_reset(arena);
    assert_int_equal(arena_used(arena), 0);
    const unsigned char *again = arena_alloc(arena, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(again[i], 0);
    arena_free(&arena);
}

static void one_piece_may_be_larger_than_any_block(void **state)
{
    struct arena *arena = arena_create("test", CAP);
    unsigned char *bytes = arena_alloc(arena, 3 << 20);

    (void)state;
    bytes[0] = bytes[(3 << 20) - 1] = 1;
    assert_int_equal(arena_used(arena), 3 << 20);
    arena_free(&arena);
}

static void takes_exactly_the_cap(void)
{
    struct arena *arena = arena_create("test", 4096);

    arena_alloc(arena, 4000);
    arena_alloc(arena, 96);
    arena_free(&arena);
}

static void takes_one_byte_more_than_the_cap(void)
{
    struct arena *arena = arena_create("test", 4096);

    arena_alloc(arena, 4000);
    arena_alloc(arena, 97);
}

static void asks_for_a_count_that_overflows(void)
{
    arena_array(arena_create("test", CAP), SIZE_MAX / 2, 3);
}

static void asks_for_more_than_can_be_rounded(void)
{
    arena_alloc(arena_create("test", SIZE_MAX), SIZE_MAX);
}

static void the_cap_is_a_hard_end(void **state)
{
    (void)state;
    assert_false(dies(takes_exactly_the_cap));
    assert_true(dies(takes_one_byte_more_than_the_cap));
    assert_true(dies(asks_for_a_count_that_overflows));
    assert_true(dies(asks_for_more_than_can_be_rounded));
}

static char order[8];

static void note(void *ptr)
{
    strncat(order, ptr, 1);
}

static void cleanups_run_newest_first_and_once(void **state)
{
    struct arena *arena = arena_create("test", CAP);

    (void)state;
    order[0] = '\0';
    arena_on_release(arena, note, "a");
    arena_on_release(arena, note, "b");
    arena_on_release(arena, note, "c");
    arena_reset(arena);
    assert_string_equal(order, "cba");
    arena_on_release(arena, note, "d");
    arena_free(&arena);
    assert_string_equal(order, "cbad");
}

static struct arena *reentered;

static void register_another(void *ptr)
{
    (void)ptr;
    arena_on_release(reentered, note, "z");
}

static void a_cleanup_may_register_another(void **state)
{
    (void)state;
    order[0] = '\0';
    reentered = arena_create("test", CAP);
    arena_on_release(reentered, register_another, NULL);
    arena_free(&reentered);
    assert_string_equal(order, "z");
}

static void copies_text(void **state)
{
    struct arena *arena = arena_create("test", CAP);
    char longer[5000];

    (void)state;
    assert_string_equal(arena_strdup(arena, "abc"), "abc");
    assert_string_equal(arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(arena, "", 0), "");
    memset(longer, 'y', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(strlen(arena_printf(arena, "%s-%d", longer, 42)), sizeof longer - 1 + 3);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_distinct),
        cmocka_unit_test(memory_is_zeroed_again_after_reset),
        cmocka_unit_test(one_piece_may_be_larger_than_any_block),
        cmocka_unit_test(the_cap_is_a_hard_end),
        cmocka_unit_test(cleanups_run_newest_first_and_once),
        cmocka_unit_test(a_cleanup_may_register_another),
        cmocka_unit_test(copies_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
