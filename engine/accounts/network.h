/* A network from which a key may be used: "10.1.0.0/16", "2001:db8::/32"; one address alone is a network of
 * itself. */
#ifndef ACCOUNTS_NETWORK_H
#define ACCOUNTS_NETWORK_H

#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"

#define NETWORKS_MAX 8
#define NETWORK_TEXT_SIZE 64

/* Writes the one way in which it is spelled here. E_INPUT for anything but an address and a prefix in digits, for
 * bits that are set behind the prefix (a mistyped prefix more often than not; the error names the network that may
 * have been meant), and for IPv4 in the clothes of IPv6: nginx knows such clients by their IPv4 address. */
int network_parse(struct str text, char network[NETWORK_TEXT_SIZE]) BTCF_MUST_CHECK;

/* The same for a list with commas, at most NETWORKS_MAX of them; *list lives in the arena. */
int network_parse_list(struct arena *arena, const char *text, const char **list) BTCF_MUST_CHECK;

#endif
