/* CRC-32C against RFC 3720 appendix B.4, by the instruction and by the table, in one piece and in two. */
#include "../../../engine/shm/crc32c.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* RFC 3720 B.4 prints the checksums as bytes on the wire; as numbers they are these. */
static uint32_t expect_rfc(unsigned char bytes[48], int which, size_t *len)
{
    /* "An iSCSI - SCSI Read (10) Command PDU" */
    static const unsigned char read_pdu[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
        0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    static const uint32_t expected[] = {0x8a9136aa, 0x62a8ab43, 0x46dd794e, 0x113fdb5c, 0xd9963a56};

    *len = 32;
    for (size_t i = 0; i < 32; i++) {
        const unsigned char patterns[] = {0, 0xff, (unsigned char)i, (unsigned char)(31 - i)};

        bytes[i] = which < 4 ? patterns[which] : 0;
    }
    if (which == 4) {
        memcpy(bytes, read_pdu, sizeof(read_pdu));
        *len = sizeof(read_pdu);
    }
    return expected[which];
}

static void matches_the_vectors_of_rfc_3720(void **state)
{
    unsigned char bytes[48];
    size_t len;

    (void)state;
    for (int which = 0; which < 5; which++) {
        uint32_t expected = expect_rfc(bytes, which, &len);

        assert_int_equal(btcf_crc32c(0, bytes, len), expected);
        assert_int_equal(~update_by_table(~UINT32_C(0), bytes, len), expected);
        if (has_instruction())
            assert_int_equal(~update_by_instruction(~UINT32_C(0), bytes, len), expected);
    }
}

static void has_the_check_value_of_the_catalogue(void **state)
{
    (void)state;
    assert_int_equal(btcf_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(btcf_crc32c(0, "", 0), 0);
}

static void table_and_instruction_agree_at_every_length_and_alignment(void **state)
{
    unsigned char bytes[600];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 151 + i / 7);
    for (size_t offset = 0; offset < 8; offset++)
        for (size_t len = 0; len < 520; len++)
            assert_int_equal(update_by_instruction(7, bytes + offset, len), update_by_table(7, bytes + offset, len));
}

static void pieces_join_at_every_cut(void **state)
{
    const char *text = "The quick brown fox jumps over the lazy dog";
    size_t len = strlen(text);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++)
        assert_int_equal(btcf_crc32c(btcf_crc32c(0, text, cut), text + cut, len - cut), 0x22620404);
}

static void every_single_flipped_bit_changes_it(void **state)
{
    unsigned char bytes[256] = {0};
    uint32_t good = btcf_crc32c(0, bytes, sizeof(bytes));

    (void)state;
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_not_equal(btcf_crc32c(0, bytes, sizeof(bytes)), good);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_the_vectors_of_rfc_3720),
        cmocka_unit_test(has_the_check_value_of_the_catalogue),
        cmocka_unit_test(table_and_instruction_agree_at_every_length_and_alignment),
        cmocka_unit_test(pieces_join_at_every_cut),
        cmocka_unit_test(every_single_flipped_bit_changes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
