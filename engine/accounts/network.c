/* inet_pton judges the address, so there is one opinion of what an address is; only the prefix is ours. */
#include "accounts/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "accounts/list.h"
#include "core/err.h"

/* An address in the order of the network, and how long it is. */
struct address {
    int family;
    int bits_max;
    unsigned char bytes[16];
};

static bool parse_address(struct str text, struct address *address)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *address = (struct address){.family = AF_INET, .bits_max = 32};
    if (inet_pton(AF_INET, copy, address->bytes) == 1)
        return true;
    *address = (struct address){.family = AF_INET6, .bits_max = 128};
    return inet_pton(AF_INET6, copy, address->bytes) == 1;
}

/* True when a bit behind the prefix was set; all of them are clear afterwards. */
static bool clear_behind(struct address *address, int bits)
{
    bool was_set = false;

    for (int bit = bits; bit < address->bits_max; bit++) {
        unsigned char mask = (unsigned char)(0x80 >> bit % 8);

        was_set |= (address->bytes[bit / 8] & mask) != 0;
        address->bytes[bit / 8] &= (unsigned char)~mask;
    }
    return was_set;
}

static bool parse_bits(struct str text, int bits_max, int *bits)
{
    int64_t number;

    if (str_parse_i64(text, &number) < 0 || text.len > 3 || text.ptr[0] == '-' || number > bits_max)
        return false;
    if (text.len > 1 && text.ptr[0] == '0')
        return false;
    *bits = (int)number;
    return true;
}

int network_parse(struct str text, char network[NETWORK_TEXT_SIZE])
{
    struct str rest = text, head = str_cut(&rest, '/');
    char spelled[INET6_ADDRSTRLEN];
    struct address address;

    if (!parse_address(head, &address))
        return err_set(E_INPUT, "\"%.*s\" is not a network: write 192.0.2.0/24 or 2001:db8::/32",
                       (int)(text.len < NETWORK_TEXT_SIZE ? text.len : NETWORK_TEXT_SIZE), text.ptr);
    if (address.family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address.bytes))
        return err_set(E_INPUT, "%.*s is an IPv4 address in IPv6: write it as IPv4", (int)head.len, head.ptr);
    int bits = address.bits_max;
    if (rest.ptr != NULL && !parse_bits(rest, address.bits_max, &bits))
        return err_set(E_INPUT, "the prefix behind %.*s/ is not a number from 0 to %d", (int)head.len, head.ptr,
                       address.bits_max);
    bool is_host = clear_behind(&address, bits);
    const char *ok = inet_ntop(address.family, address.bytes, spelled, sizeof(spelled));
    if (ok == NULL)
        return err_set(E_INPUT, "%.*s cannot be spelled", (int)head.len, head.ptr);
    if (is_host)
        return err_set(E_INPUT, "%.*s/%d has bits behind its prefix; did you mean %s/%d?", (int)head.len, head.ptr,
                       bits, spelled, bits);
    snprintf(network, NETWORK_TEXT_SIZE, "%s/%d", spelled, bits);
    return 0;
}

int network_parse_list(struct arena *arena, const char *text, const char **list)
{
    struct strbuf buf;
    int rc = 0;

    strbuf_init(&buf, (size_t)NETWORKS_MAX * NETWORK_TEXT_SIZE + 1);
    size_t count = 0;
    for (struct str rest = str_of(list_tidy(arena, text)); rc == 0 && rest.ptr != NULL && rest.len > 0; count++) {
        char network[NETWORK_TEXT_SIZE];

        rc = network_parse(str_cut(&rest, ','), network);
        if (rc == 0 && count == NETWORKS_MAX)
            rc = err_set(E_INPUT, "more than %d networks", NETWORKS_MAX);
        if (rc == 0)
            strbuf_printf(&buf, "%s%s", buf.len > 0 ? "," : "", network);
    }
    *list = list_tidy(arena, buf.ptr);
    strbuf_release(&buf);
    return rc;
}
