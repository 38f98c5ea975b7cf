/* The installation's secret: 32 random bytes that everything sealed in the database hangs on (crypto/seal.h).
 *
 * It comes from the setting secret_key (or secret_key_file) as 64 hex digits, or from STATE/secret.key, which is made
 * on first use. A copy of the database alone is worth nothing without it, which is the point; a backup needs both.
 */
#ifndef CRYPTO_SECRET_KEY_H
#define CRYPTO_SECRET_KEY_H

#include <sys/types.h>

#include "core/base.h"
#include "core/str.h"
#include "crypto/seal.h"

/* 64 hex digits. E_INPUT, without a word of the text. */
int secret_key_parse(struct str text, struct seal_key *key) BTCF_MUST_CHECK;

/* Reads the file. E_MISSING when there is none; E_DENIED when others than its owner may read it, as with ssh;
 * E_CORRUPT when it holds something else; E_STORE when it cannot be read. */
int secret_key_load(const char *path, struct seal_key *key) BTCF_MUST_CHECK;

/* Makes the file, 0600, for the account `owner` when we are root, and reads it. Of several at once, one makes it and
 * all read the same. E_STORE names what is in the way. */
int secret_key_create(const char *path, uid_t owner, struct seal_key *key) BTCF_MUST_CHECK;

#endif
