/* Any text as what a person types about accounts: an API key, a network, an address, a list.
 *
 * An API key is judged again here, from its description and with zlib's CRC. What a network or an address is spelled
 * like is spelled the same when it is read again, and inet_pton has the same bits before and after.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "accounts/list.h"
#include "accounts/network.h"
#include "accounts/user.h"
#include "core/err.h"
#include "crypto/api_key.h"

#define ARENA_MAX ((size_t)1 << 20)
#define TEXT_MAX 4096
#define CHECKED_LEN (BTCF_API_KEY_LEN - BTCF_API_KEY_CHECK_LEN)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool is_key(const char *text, size_t len)
{
    if (len != BTCF_API_KEY_LEN || text[22] != '_')
        return false;
    if (memcmp(text, "btcf_live_", 10) != 0 && memcmp(text, "btcf_test_", 10) != 0)
        return false;
    uint64_t check = 0;
    for (size_t i = 10; i < len; i++) {
        const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

        if (digit == NULL && i != 22)
            return false;
        if (i >= CHECKED_LEN)
            check = check * 62 + (uint64_t)(digit - digits);
    }
    return check == crc32(0, (const unsigned char *)text, CHECKED_LEN);
}

/* Half of the inputs get a right checksum: a fuzzer does not find one. */
static void try_key(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct btcf_api_key key;

    if (text == NULL)
        abort();
    memcpy(text, data, size);
    if (size == BTCF_API_KEY_LEN && (data[0] & 1) == 0) {
        uint64_t crc = crc32(0, data, CHECKED_LEN);

        for (size_t i = BTCF_API_KEY_LEN; i > CHECKED_LEN; crc /= 62)
            text[--i] = digits[crc % 62];
    }
    bool is_taken = btcf_api_key_parse(text, size, &key);
    assert(is_taken == is_key(text, size));
    assert(!is_taken || (key.id == text + 10 && key.is_test == (text[5] == 't')));
    free(text);
}

static void check_bits(const char *network)
{
    unsigned char bytes[16];
    char *slash = strchr(network, '/');
    int bits = (int)strtol(slash + 1, NULL, 10), is_ipv6 = strchr(network, ':') != NULL;

    *slash = '\0';
    int ok = inet_pton(is_ipv6 ? AF_INET6 : AF_INET, network, bytes);
    *slash = '/';
    assert(ok == 1);
    assert(bits >= 0 && bits <= (is_ipv6 ? 128 : 32));
    for (int bit = bits; bit < (is_ipv6 ? 128 : 32); bit++)
        assert((bytes[bit / 8] >> (7 - bit % 8) & 1) == 0);
}

static void try_network(struct str text)
{
    char network[NETWORK_TEXT_SIZE], again[NETWORK_TEXT_SIZE];

    if (network_parse(text, network) < 0) {
        assert(err_kind() == E_INPUT);
        return;
    }
    check_bits(network);
    int rc = network_parse(str_of(network), again);
    assert(rc == 0 && strcmp(network, again) == 0);
}

static void try_texts(struct arena *arena, const char *text)
{
    const char *first, *second;

    if (network_parse_list(arena, text, &first) == 0) {
        assert(list_count(first) <= NETWORKS_MAX);
        int rc = network_parse_list(arena, first, &second);
        assert(rc == 0 && strcmp(first, second) == 0);
    }
    if (user_parse_email(arena, text, &first) == 0) {
        int rc = user_parse_email(arena, first, &second);
        assert(rc == 0 && strcmp(first, second) == 0);
        assert(strlen(first) == strlen(text) && strlen(first) <= USER_EMAIL_MAX);
    }
    first = list_tidy(arena, text);
    assert(strcmp(first, list_tidy(arena, first)) == 0);
    assert(strcmp(first, list_filter(arena, first, first, true)) == 0);
    assert(list_count(list_filter(arena, first, first, false)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create("fuzz", ARENA_MAX);
    char text[TEXT_MAX + 1];

    if (size <= TEXT_MAX) {
        memcpy(text, data, size);
        text[size] = '\0';
        try_key(data, size);
        try_network((struct str){text, size});
        try_texts(arena, text);
    }
    arena_free(&arena);
    return 0;
}
