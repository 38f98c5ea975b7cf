/* The keys that sign our tokens: ES256, P-256, known by their RFC 7638 thumbprint.
 *
 *     next ----rotate----> active ----rotate----> retired ----its last token has expired----> removed
 *     published,           signs                  verifies                                    of record only
 *     not yet used
 *
 * There is always a next one, published long before it signs, so that whoever caches our key set has it by then. The
 * private half is in the database sealed (crypto/seal.h), in the context "signing-key:<kid>", and is erased when the
 * key retires: nothing is signed with it again. Opening and rotating remove those whose last token has expired.
 */
#ifndef ACCOUNTS_SIGNING_KEY_H
#define ACCOUNTS_SIGNING_KEY_H

#include "accounts/audit.h"
#include "crypto/seal.h"

#define SIGNING_KEY_ALGORITHM "ES256"
#define SIGNING_KEY_ID_LEN 43 /* SHA-256 in base64url */
/* The longest life of a token, and the clocks that may differ: how long a retired key must verify. */
#define SIGNING_KEY_TOKEN_MAX_S INT64_C(86400)
#define SIGNING_KEY_LEEWAY_S INT64_C(60)

#define SIGNING_KEY_PEM_SIZE 512 /* 242 bytes with its NUL: PKCS #8 with the public half */

/* One that signs. Release it: it is wiped. */
struct signing_key {
    char id[SIGNING_KEY_ID_LEN + 1];
    char pem[SIGNING_KEY_PEM_SIZE]; /* the private half, as libjwt takes it: the secret */
};

/* The active key. When there is none yet, it is made, and the next one with it. E_CORRUPT when it was sealed with
 * another secret; the text says the way out. */
int signing_key_open(const struct actor *actor, const struct seal_key *secret,
                     struct signing_key *key) BTCF_MUST_CHECK;
void signing_key_release(struct signing_key *key);

/* The next one becomes active, the active one retires, a new next one is made. Writes the id of the one that is
 * active now. */
int signing_key_rotate(const struct actor *actor, const struct seal_key *secret,
                       char id[SIGNING_KEY_ID_LEN + 1]) BTCF_MUST_CHECK;

/* Whether there is a key that was sealed, so that another secret would be of no use. */
int signing_key_has_any(const struct actor *actor, bool *has_any) BTCF_MUST_CHECK;

#endif
