/* See merkle.h. The recursion halves its input, so that it is at most 64 deep. */
#include "ledger/merkle.h"

static const unsigned char leaf_prefix[1] = {0};
static const unsigned char node_prefix[1] = {1};

static size_t power_of_two_below(size_t count);

struct digest merkle_leaf(const void *bytes, size_t len)
{
    struct digest_part parts[] = {{leaf_prefix, sizeof(leaf_prefix)}, {bytes, len}};
    return digest_sha256_parts(parts, BTCF_LENGTH(parts));
}

struct digest merkle_root(const struct digest *leaves, size_t count)
{
    if (count == 0)
        return digest_sha256("", 0);
    if (count == 1)
        return leaves[0];
    size_t split = power_of_two_below(count);
    struct digest left = merkle_root(leaves, split);
    struct digest right = merkle_root(leaves + split, count - split);
    struct digest_part parts[] = {
        {node_prefix, sizeof(node_prefix)}, {left.bytes, DIGEST_SIZE}, {right.bytes, DIGEST_SIZE}};
    return digest_sha256_parts(parts, BTCF_LENGTH(parts));
}

/* The largest power of two that is smaller than `count`, which is at least 2. */
static size_t power_of_two_below(size_t count)
{
    size_t power = 1;
    while (power < count - power)
        power *= 2;
    return power;
}
