/* btcf token verify: what the worker would say to a token, said on the command line, for operators and for test
 * suites. */
#include "cmd/token.h"

#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/command.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/str.h"
#include "jose/claims.h"
#include "jose/jwk.h"
#include "jose/jws.h"

#define DEFAULT_LEEWAY_S 30

struct options {
    const char *jwks, *alg, *iss, *aud, *typ, *leeway, *at;
    bool is_batch, is_jws;
};

/* All that judging one token needs. */
struct judge {
    struct btcf_jwks *set;
    struct btcf_verifier verifier;
    struct btcf_jws jws;
    struct btcf_claims_policy policy;
    int64_t now_s;
    bool is_jws;
};

static enum btcf_verdict judge_token(struct judge *judge, const char *token, size_t len)
{
    struct btcf_claims claims;
    enum btcf_verdict verdict = btcf_jws_parse(&judge->jws, token, len);

    if (verdict == BTCF_TOKEN_VALID)
        verdict = btcf_jws_verify(&judge->jws, &judge->verifier);
    if (verdict == BTCF_TOKEN_VALID && !judge->is_jws)
        verdict = btcf_claims_parse(&claims, &judge->jws);
    if (verdict == BTCF_TOKEN_VALID && !judge->is_jws)
        verdict = btcf_claims_check(&claims, &judge->policy, judge->now_s);
    return verdict;
}

static int judge_one(struct judge *judge, const char *token)
{
    enum btcf_verdict verdict = judge_token(judge, token, strlen(token));

    printf("%s%s\n", verdict == BTCF_TOKEN_VALID ? "" : "invalid: ", btcf_verdict_text(verdict));
    return verdict == BTCF_TOKEN_VALID ? EXIT_OK : EXIT_FAILED;
}

/* A line without its end into `line`; of a longer one the first `size` bytes, so that it is seen to be too long. Its
 * length, or -1 at the end of the input. */
static ssize_t read_line(FILE *in, char *line, size_t size)
{
    size_t len = 0;
    int c = getc(in);

    if (c == EOF)
        return -1;
    for (; c != EOF && c != '\n'; c = getc(in))
        if (len < size)
            line[len++] = (char)c;
    return (ssize_t)len;
}

static int judge_lines(struct judge *judge)
{
    char line[BTCF_TOKEN_MAX + 1];

    for (ssize_t len; (len = read_line(stdin, line, sizeof line)) >= 0;) {
        enum btcf_verdict verdict = judge_token(judge, line, (size_t)len);

        if (printf("%s%s\n", verdict == BTCF_TOKEN_VALID ? "" : "invalid: ", btcf_verdict_text(verdict)) < 0)
            break;
    }
    if (ferror(stdin) || fflush(stdout) != 0)
        return err_set(E_STORE, "not all tokens could be read, or not all verdicts written");
    return EXIT_OK;
}

static int load_keys(struct judge *judge, const struct options *options)
{
    const struct btcf_alg *only = NULL;

    if (options->jwks == NULL)
        return err_set(E_INPUT, "--jwks says which keys to verify with");
    if (options->alg != NULL) {
        only = btcf_alg_find(options->alg, strlen(options->alg));
        if (only == NULL)
            return err_set(E_INPUT, "--alg: there is no algorithm \"%s\"", options->alg);
    }
    const char *why = btcf_jwks_load(options->jwks, only, &judge->set);
    if (why != NULL)
        return err_set(E_INPUT, "%s: %s", options->jwks, why);
    if (judge->set->skipped_count > 0)
        fprintf(stderr, "%s: %zu left out, the first because %s\n", options->jwks, judge->set->skipped_count,
                judge->set->first_skipped);
    if (judge->set->has_private && judge->set->keys[0].public_key != NULL)
        fprintf(stderr, "%s: has private keys, which verifying does not need\n", options->jwks);
    return 0;
}

static int set_policy(struct judge *judge, const struct options *options)
{
    struct btcf_claims_policy *policy = &judge->policy;

    *policy = (struct btcf_claims_policy){options->iss, options->aud, options->typ, DEFAULT_LEEWAY_S};
    judge->is_jws = options->is_jws;
    judge->now_s = clock_wall_ms() / 1000;
    if (options->leeway != NULL && (str_parse_i64(str_of(options->leeway), &policy->leeway_s) < 0 ||
                                    policy->leeway_s < 0 || policy->leeway_s > BTCF_LEEWAY_MAX_S))
        return err_set(E_INPUT, "--leeway is 0 to %d seconds", BTCF_LEEWAY_MAX_S);
    if (options->at != NULL && (str_parse_i64(str_of(options->at), &judge->now_s) < 0 || judge->now_s < 0 ||
                                judge->now_s > BTCF_INSTANT_MAX_S))
        return err_set(E_INPUT, "--at is a Unix time in seconds");
    return 0;
}

static int verify(const struct options *options, const char *token)
{
    struct judge judge = {.set = NULL};
    int result = -1;

    if (set_policy(&judge, options) < 0 || load_keys(&judge, options) < 0)
        return -1;
    if (!btcf_verifier_init(&judge.verifier, judge.set)) {
        err_set(E_LIMIT, "no memory for the contexts of the keys");
        goto out;
    }
    result = token != NULL ? judge_one(&judge, token) : judge_lines(&judge);
    btcf_verifier_release(&judge.verifier);
out:
    btcf_jwks_free(&judge.set);
    return result;
}

int token_verify(int argc, char **argv)
{
    struct options options = {.jwks = NULL};
    const struct cli_option table[] = {
        {.name = "--jwks", .value = &options.jwks}, {.name = "--alg", .value = &options.alg},
        {.name = "--iss", .value = &options.iss},   {.name = "--aud", .value = &options.aud},
        {.name = "--typ", .value = &options.typ},   {.name = "--leeway", .value = &options.leeway},
        {.name = "--at", .value = &options.at},     {.name = "--batch", .flag = &options.is_batch},
        {.name = "--jws", .flag = &options.is_jws}, {.name = NULL},
    };
    struct cli cli;
    int result;

    if (cli_parse(&cli, argc, argv, table) < 0)
        return -1;
    size_t expected_count = options.is_batch ? 0 : 1;
    if (cli.word_count != expected_count)
        result = err_set(E_INPUT, "say `btcf token verify --jwks FILE TOKEN`, or --batch instead of the token");
    else
        result = verify(&options, options.is_batch ? NULL : cli.words[0]);
    cli_release(&cli);
    return result;
}
