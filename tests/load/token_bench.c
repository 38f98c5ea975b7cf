/* What verifying a token costs beside the bare primitive, in one run.
 *
 *     token_bench JWKS TOKEN          algorithm, ns of the primitive, ns of the whole path: the best round of each
 *
 * The primitive is OpenSSL's own, with everything prepared that can be: EVP_PKEY_verify on a digest with a context set up
 * once, EVP_DigestVerify for Ed25519, HMAC() for secrets. The whole path is what a worker does with a token that it has
 * never seen: its SHA-256 for the cache, form, claims, key, signature, and the judgement of the claims. Rounds of both take
 * turns, so that whatever else the machine does disturbs both alike.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jose/claims.h"
#include "jose/hash.h"
#include "jose/jws.h"

#define ROUNDS 30
#define ROUND_NS 20000000.0
#define BATCH_MAX 100000

struct bench {
    struct btcf_jwks *set;
    struct btcf_verifier verifier;
    struct btcf_jws jws;
    char token[BTCF_TOKEN_MAX + 1];
    size_t token_len;

    /* for the primitive */
    const struct btcf_alg *alg;
    EVP_PKEY_CTX *pkey_ctx;
    unsigned char *signature, der[256], secret[64];
    size_t signature_len;
};

static double now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static bool run_path(struct bench *bench)
{
    static const struct btcf_claims_policy policy = {.leeway_s = 30};
    unsigned char digest[BTCF_HASH_SIZE_MAX];
    struct btcf_claims claims;
    struct btcf_hash hash;

    btcf_hash_init(&hash, 256);
    btcf_hash_update(&hash, bench->token, bench->token_len);
    btcf_hash_final(&hash, digest);
    return btcf_jws_parse(&bench->jws, bench->token, bench->token_len) == BTCF_TOKEN_VALID &&
           btcf_claims_parse(&claims, &bench->jws) == BTCF_TOKEN_VALID &&
           btcf_claims_check(&claims, &policy, (int64_t)time(NULL)) == BTCF_TOKEN_VALID &&
           btcf_jws_verify(&bench->jws, &bench->verifier) == BTCF_TOKEN_VALID;
}

static bool run_primitive(struct bench *bench)
{
    const unsigned char *message = (const unsigned char *)bench->jws.signed_part;
    size_t len = bench->jws.signed_len, hash_size = btcf_hash_size(bench->alg->hash_bits);
    unsigned char digest[BTCF_HASH_SIZE_MAX];
    struct btcf_hash hash;

    if (bench->alg->family == BTCF_HMAC)
        return HMAC(EVP_sha256(), bench->secret, (int)hash_size, message, len, digest, NULL) != NULL;
    if (bench->alg->family == BTCF_ED25519) {
        struct btcf_public_verifier *verifier = &bench->verifier.contexts[0];

        /* ready since the path ran; OpenSSL 3.0 lets a context of Ed25519 verify again and again */
        return EVP_DigestVerify(verifier->md_ctx, bench->signature, bench->signature_len, message, len) == 1;
    }
    btcf_hash_init(&hash, bench->alg->hash_bits);
    btcf_hash_update(&hash, message, len);
    btcf_hash_final(&hash, digest);
    return EVP_PKEY_verify(bench->pkey_ctx, bench->signature, bench->signature_len, digest, hash_size) == 1;
}

/* ECDSA_SIG from R || S, which OpenSSL wants. */
static bool to_der(struct bench *bench)
{
    size_t size = bench->alg->coordinate_size;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    unsigned char *out = bench->der;

    if (pair == NULL || ECDSA_SIG_set0(pair, BN_bin2bn(bench->signature, (int)size, NULL),
                                       BN_bin2bn(bench->signature + size, (int)size, NULL)) != 1)
        return false;
    int len = i2d_ECDSA_SIG(pair, &out);
    ECDSA_SIG_free(pair);
    bench->signature = bench->der;
    bench->signature_len = (size_t)len;
    return len > 0;
}

static bool prepare(struct bench *bench)
{
    bench->alg = bench->set->keys[0].alg;
    bench->pkey_ctx = bench->verifier.contexts[0].pkey_ctx;
    if (!run_path(bench))
        return false;
    bench->signature = bench->jws.signature;
    bench->signature_len = bench->jws.signature_len;
    return bench->alg->family != BTCF_ECDSA || to_der(bench);
}

static double time_of(struct bench *bench, bool (*run)(struct bench *bench), size_t count)
{
    double begin = now_ns();

    for (size_t i = 0; i < count; i++)
        if (!run(bench))
            return -1;
    return (now_ns() - begin) / (double)count;
}

static int measure(struct bench *bench)
{
    bool (*const runs[2])(struct bench *) = {run_primitive, run_path};
    double best[2] = {1e18, 1e18};
    size_t counts[2];

    for (int i = 0; i < 2; i++) {
        double once = time_of(bench, runs[i], 10);

        if (once < 0)
            return 1;
        counts[i] = ROUND_NS / once > BATCH_MAX ? BATCH_MAX : (size_t)(ROUND_NS / once) + 1;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 2; i++) {
            double mean = time_of(bench, runs[i], counts[i]);

            if (mean < 0)
                return 1;
            best[i] = mean < best[i] ? mean : best[i];
        }
    printf("%s %.0f %.0f\n", bench->alg->name, best[0], best[1]);
    return 0;
}

static bool read_token(struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return false;
    bench->token_len = fread(bench->token, 1, sizeof bench->token - 1, file);
    fclose(file);
    while (bench->token_len > 0 && bench->token[bench->token_len - 1] == '\n')
        bench->token_len--;
    return bench->token_len > 0;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    const char *why = argc == 3 ? btcf_jwks_load(argv[1], NULL, &bench.set) : "usage: token_bench JWKS TOKEN";
    int status = 1;

    if (why != NULL) {
        fprintf(stderr, "token_bench: %s\n", why);
        return 1;
    }
    if (!read_token(&bench, argv[2]) || !btcf_verifier_init(&bench.verifier, bench.set)) {
        fprintf(stderr, "token_bench: the token cannot be read, or there is no memory\n");
    } else {
        if (prepare(&bench))
            status = measure(&bench);
        else
            fprintf(stderr, "token_bench: the token is not good\n");
        btcf_verifier_release(&bench.verifier);
    }
    btcf_jwks_free(&bench.set);
    return status;
}
