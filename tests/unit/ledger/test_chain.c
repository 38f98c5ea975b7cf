/* The pure half of the ledger: the canonical text and the seal of an entry. Appending and verifying need a database and
 * are tested in tests/pg. */
#include "ledger/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "core/str.h"

#include <cmocka.h>

static struct ledger_leaf example(void)
{
    return (struct ledger_leaf){.id = "f1",
                                .feed = "live",
                                .model = "rw-emp",
                                .model_version = "1",
                                .method = "ensemble",
                                .weights = "{\"rw-emp\": 1}",
                                .horizon_s = 3600,
                                .issued_at = 1743462000000,
                                .target_at = 1743465600000,
                                .trained_at = 1743462000000,
                                .origin_price = 82548.91,
                                .mean = 82550.1,
                                .prob_up = 0.5,
                                .volatility = 0.4,
                                .quantiles = {82000.25, 0.1},
                                .quantile_count = 2};
}

static void the_canonical_text_is_what_the_header_promises(void **state)
{
    (void)state;
    struct ledger_leaf leaf = example();
    struct strbuf text;
    strbuf_init(&text, 4096);
    ledger_leaf_render(&leaf, &text);
    assert_string_equal(text.ptr, "format=btcf-forecast-1\nid=f1\nfeed=live\nmodel=rw-emp\nmodel_version=1\n"
                                  "horizon_s=3600\nissued_at=1743462000000\ntarget_at=1743465600000\n"
                                  "origin_price=82548.910000000003\nquantiles=82000.25,0.10000000000000001\n"
                                  "mean=82550.100000000006\nprob_up=0.5\nvolatility=0.40000000000000002\n"
                                  "method=ensemble\nweights={\"rw-emp\": 1}\ntrained_at=1743462000000\n");
    strbuf_release(&text);
}

/* printf 'btcf-ledger-1\nlive\n1\n7\n<64 a>\n<64 zeros>\n' | sha256sum */
static void the_seal_is_the_hash_of_the_five_fields(void **state)
{
    (void)state;
    struct ledger_entry entry = {.seq = 1, .batch_id = 7};
    memset(entry.root, 'a', 64);
    memcpy(entry.previous, ledger_genesis, sizeof(entry.previous));
    ledger_entry_seal("live", &entry);
    assert_string_equal(entry.hash, "6032f9507f93a55cee907be59cad198db041bd86792cf00e4554ed91a8580af2");
}

static void every_field_changes_the_seal(void **state)
{
    (void)state;
    struct ledger_entry base = {.seq = 1, .batch_id = 7, .root = "aa", .previous = "bb"};
    ledger_entry_seal("live", &base);
    struct ledger_entry seq = base, batch = base, root = base, previous = base, feed = base;
    seq.seq++;
    batch.batch_id++;
    root.root[0] = 'c';
    previous.previous[0] = 'c';
    ledger_entry_seal("live", &seq);
    ledger_entry_seal("live", &batch);
    ledger_entry_seal("live", &root);
    ledger_entry_seal("live", &previous);
    ledger_entry_seal("replay:1", &feed);
    assert_string_not_equal(seq.hash, base.hash);
    assert_string_not_equal(batch.hash, base.hash);
    assert_string_not_equal(root.hash, base.hash);
    assert_string_not_equal(previous.hash, base.hash);
    assert_string_not_equal(feed.hash, base.hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canonical_text_is_what_the_header_promises),
        cmocka_unit_test(the_seal_is_the_hash_of_the_five_fields),
        cmocka_unit_test(every_field_changes_the_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
