/* btcf token: the manual and the verbs. */
#include "cmd/token.h"

#include "cmd/admin.h"
#include "cmd/command.h"

static int run(int argc, char **argv);

const struct command command_token = {
    .name = "token",
    .summary = "issue, end and verify signed tokens",
    .usage =
        "usage: btcf token issue --user EMAIL|ID [--scopes a,b] [--lifetime 15m] [--session SID] [--ticket] [STORE]\n"
        "       btcf token revoke --session SID [STORE]\n"
        "       btcf token rotate-key [STORE]\n"
        "       btcf token verify --jwks FILE [--alg A] [--jws] [CLAIMS] TOKEN\n"
        "       btcf token verify --jwks FILE [--alg A] [--jws] [CLAIMS] --batch < TOKENS\n\n"
        "issue       prints a token of the account: ES256, audience btcf, in a new session or in --session\n"
        "            --scopes     default: all that the account's plan has\n"
        "            --lifetime   at most 24h\n"
        "            --ticket     instead: a ticket for one event stream, good for 30 s, scope stream alone,\n"
        "                         audience btcf:stream\n"
        "revoke      ends a session: none of its tokens is accepted a second later\n"
        "rotate-key  the next signing key becomes the active one and a new next one is published; tokens that the\n"
        "            old one has signed stay good until they expire\n"
        "verify      prints \"valid\", or \"invalid: \" and a word that says why; the exit status is 0 or 1. With\n"
        "            --batch, each line of standard input is a token and each gets one such line; the exit status\n"
        "            is 0 when all were judged. A token that begins with a dash stands behind \"--\".\n"
        "            --jwks FILE  a JWK Set, or one JWK alone; what cannot be used of it is said on standard error\n"
        "            --alg A      all keys of the file are for A: needed where a key does not say, else RSA is for\n"
        "                         RS256 and a secret for HS256\n"
        "            --jws        stop behind the signature: the payload may be anything\n\n"
        "CLAIMS, all about the payload, which must be claims with an expiry:\n"
        "--iss TEXT     the issuer\n"
        "--aud TEXT     one of the audiences\n"
        "--typ TEXT     the header's typ (default: none, JWT or at+jwt)\n"
        "--leeway S     seconds that clocks may differ, 0 to 60 (default 30)\n"
        "--at S         judge as of this Unix time instead of now\n\n"
        "STORE:\n"
        "--json               for scripts\n"
        "--state DIR          of a running `btcf up` (default var), or\n"
        "--database-url URL, --config FILE, --set NAME=VALUE\n",
    .run = run,
};

static int run(int argc, char **argv)
{
    static const struct admin_verb verbs[] = {{"verify", token_verify},
                                              {"issue", token_issue_verb},
                                              {"revoke", token_revoke_verb},
                                              {"rotate-key", token_rotate_key_verb},
                                              {NULL, NULL}};

    return admin_dispatch(verbs, argc, argv);
}
