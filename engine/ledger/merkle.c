/* See merkle.h. The recursion halves its input, so that it is at most 64 deep. */
#include "ledger/merkle.h"

static const unsigned char leaf_prefix[1] = {0};
static const unsigned char node_prefix[1] = {1};

static size_t power_of_two_below(size_t count);
static struct digest node_of(struct digest left, struct digest right);

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
    return node_of(merkle_root(leaves, split), merkle_root(leaves + split, count - split));
}

size_t merkle_path(const struct digest *leaves, size_t count, size_t index, struct merkle_step path[MERKLE_PATH_MAX])
{
    if (count < 2)
        return 0;
    size_t split = power_of_two_below(count);
    bool is_right = index >= split;
    size_t length = is_right ? merkle_path(leaves + split, count - split, index - split, path)
                             : merkle_path(leaves, split, index, path);
    path[length] = (struct merkle_step){.digest = is_right ? merkle_root(leaves, split)
                                                           : merkle_root(leaves + split, count - split),
                                        .is_left = is_right};
    return length + 1;
}

struct digest merkle_follow(struct digest leaf, const struct merkle_step *path, size_t length)
{
    for (size_t i = 0; i < length; i++)
        leaf = path[i].is_left ? node_of(path[i].digest, leaf) : node_of(leaf, path[i].digest);
    return leaf;
}

static struct digest node_of(struct digest left, struct digest right)
{
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
