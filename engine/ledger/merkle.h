/* The Merkle tree hash of RFC 6962, section 2.1, with SHA-256. Pure.
 *
 *     leaf(d)    = H(0x00 || d)
 *     node(l, r) = H(0x01 || l || r)
 *     root()     = H("")              root(d) = leaf(d)
 *     root(D[n]) = node(root(D[0:k]), root(D[k:n]))   k the largest power of two below n
 *
 * The two prefixes keep a node from being passed off as a leaf.
 */
#ifndef LEDGER_MERKLE_H
#define LEDGER_MERKLE_H

#include "core/base.h"
#include "crypto/digest.h"

struct digest merkle_leaf(const void *bytes, size_t len);

/* Root over the leaf hashes, in order. */
struct digest merkle_root(const struct digest *leaves, size_t count);

#endif
