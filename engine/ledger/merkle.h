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

/* A sibling on the way from a leaf to the root, nearest first. */
struct merkle_step {
    struct digest digest;
    bool is_left; /* the sibling stands to the left: node(sibling, own), else node(own, sibling) */
};
/* 64 levels are more leaves than there are. */
#define MERKLE_PATH_MAX 64

/* The audit path of leaf `index` < count (RFC 6962, section 2.1.1); returns its length. */
size_t merkle_path(const struct digest *leaves, size_t count, size_t index, struct merkle_step path[MERKLE_PATH_MAX]);

/* The root that a leaf and its path lead to: what a client does to check a proof. */
struct digest merkle_follow(struct digest leaf, const struct merkle_step *path, size_t length);

#endif
