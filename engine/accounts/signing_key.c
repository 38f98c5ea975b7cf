/* Making keys with OpenSSL, and the one order of states. Changes of state happen under the lock of numbers: rotations
 * are rare, and two at once would each make a next key.
 */
#include "accounts/signing_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "accounts/usage_row.h"
#include "core/clock.h"
#include "core/err.h"
#include "crypto/base64url.h"
#include "crypto/digest.h"

#define COORDINATE_SIZE 32
#define COORDINATE_TEXT_SIZE (BASE64URL_LEN(COORDINATE_SIZE) + 1)
#define JWK_SIZE 512
#define CONTEXT_SIZE 80
#define DER_SIZE_MAX 256 /* 121 bytes, SEC 1 with the public half */

_Static_assert(COORDINATE_TEXT_SIZE == SIGNING_KEY_ID_LEN + 1, "a thumbprint is as long as a coordinate");

static const char sql_active[] = "SELECT kid, private_sealed FROM signing_key WHERE state = 'active'";
static const char sql_any[] = "SELECT EXISTS (SELECT 1 FROM signing_key WHERE length(private_sealed) > 0)";
static const char sql_insert[] =
    "INSERT INTO signing_key (kid, algorithm, public_jwk, private_sealed, state, created_ms) "
    "VALUES ($1, '" SIGNING_KEY_ALGORITHM "', $2::jsonb, $3, $4, $5)";
static const char sql_retire[] = "UPDATE signing_key SET state = 'retired', retired_ms = $1, private_sealed = '' "
                                 "WHERE state = 'active'";
static const char sql_activate[] = "UPDATE signing_key SET state = 'active' WHERE kid = (SELECT kid FROM signing_key "
                                   "WHERE state = 'next' ORDER BY created_ms, kid LIMIT 1) RETURNING kid";
static const char sql_remove[] =
    "UPDATE signing_key SET state = 'removed' WHERE state = 'retired' AND retired_ms < $1";

/* --- making --- */

struct fresh_key {
    char id[SIGNING_KEY_ID_LEN + 1];
    char jwk[JWK_SIZE];
    unsigned char der[DER_SIZE_MAX];
    size_t der_len;
};

static bool read_coordinate(const EVP_PKEY *pkey, const char *name, char text[COORDINATE_TEXT_SIZE])
{
    unsigned char bytes[COORDINATE_SIZE];
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 &&
              BN_bn2binpad(number, bytes, sizeof(bytes)) == sizeof(bytes);

    BN_free(number);
    if (ok)
        base64url_encode(bytes, sizeof(bytes), text);
    return ok;
}

/* The thumbprint is of the members that make the key, in the order of the alphabet (RFC 7638, 3.2). */
static bool describe(const EVP_PKEY *pkey, struct fresh_key *key)
{
    char x[COORDINATE_TEXT_SIZE], y[COORDINATE_TEXT_SIZE];

    if (!read_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, x) || !read_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, y))
        return false;
    snprintf(key->jwk, sizeof(key->jwk), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    struct digest digest = digest_sha256(key->jwk, strlen(key->jwk));
    base64url_encode(digest.bytes, DIGEST_SIZE, key->id);
    snprintf(key->jwk, sizeof(key->jwk),
             "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\",\"use\":\"sig\","
             "\"alg\":\"" SIGNING_KEY_ALGORITHM "\",\"kid\":\"%s\"}",
             x, y, key->id);
    return true;
}

static bool write_der(const EVP_PKEY *pkey, struct fresh_key *key)
{
    unsigned char *end = key->der;
    int len = i2d_PrivateKey(pkey, NULL);

    if (len <= 0 || len > DER_SIZE_MAX || i2d_PrivateKey(pkey, &end) != len)
        return false;
    key->der_len = (size_t)len;
    return true;
}

static void set_context(const char *id, char context[CONTEXT_SIZE])
{
    snprintf(context, CONTEXT_SIZE, "signing-key:%s", id);
}

static int insert(const struct actor *actor, const struct seal_key *secret, const struct fresh_key *key,
                  const char *state)
{
    unsigned char sealed[DER_SIZE_MAX + SEAL_OVERHEAD];
    char context[CONTEXT_SIZE];

    set_context(key->id, context);
    seal_close(secret, context, key->der, key->der_len, sealed);
    if (db_exec(actor->db, sql_insert, NULL, DB_TEXT(key->id), DB_TEXT(key->jwk),
                DB_BYTES(sealed, key->der_len + SEAL_OVERHEAD), DB_TEXT(state), DB_I64(actor->now_ms), DB_END) < 0)
        return -1;
    return audit_write(actor, "signing-key.create", "signing-key", key->id,
                       audit_detail(actor, "{\"state\": \"%s\"}", state));
}

static int make(const struct actor *actor, const struct seal_key *secret, const char *state)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    struct fresh_key key;
    int rc = pkey != NULL && describe(pkey, &key) && write_der(pkey, &key)
                 ? insert(actor, secret, &key, state)
                 : err_set(E_STORE, "OpenSSL cannot make a key of P-256");

    OPENSSL_cleanse(&key, sizeof(key));
    EVP_PKEY_free(pkey);
    return rc < 0 ? err_wrap("while making a signing key") : 0;
}

/* --- using --- */

/* OpenSSL wipes a BIO in memory when it is freed. */
static bool write_pem(const EVP_PKEY *pkey, char pem[SIGNING_KEY_PEM_SIZE])
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1;
    int len = ok && BIO_pending(bio) < SIGNING_KEY_PEM_SIZE ? BIO_read(bio, pem, SIGNING_KEY_PEM_SIZE - 1) : 0;

    BIO_free(bio);
    pem[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static int unseal(const struct actor *actor, const struct seal_key *secret, const struct db_rows *rows,
                  struct signing_key *key)
{
    unsigned char der[DER_SIZE_MAX];
    const unsigned char *sealed, *end = der;
    char context[CONTEXT_SIZE];
    size_t len;

    if (db_bytes(rows, 0, 1, actor->arena, &sealed, &len) < 0)
        return -1;
    snprintf(key->id, sizeof(key->id), "%s", db_text(rows, 0, 0));
    set_context(key->id, context);
    if (len > sizeof(der) + SEAL_OVERHEAD)
        return err_set(E_CORRUPT, "%s is too long for a key", context);
    if (seal_open(secret, context, sealed, len, der) < 0)
        return err_wrap("the secret is not the one that this database was used with; give it back, or have new keys "
                        "made by `btcf token rotate-key`, twice");
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &end, (long)(len - SEAL_OVERHEAD));
    OPENSSL_cleanse(der, sizeof(der));
    bool ok = pkey != NULL && write_pem(pkey, key->pem);
    EVP_PKEY_free(pkey); /* OpenSSL wipes it */
    return ok ? 0 : err_set(E_CORRUPT, "%s is no private key", context);
}

static int remove_spent(const struct actor *actor)
{
    int64_t last_ms = actor->now_ms - (SIGNING_KEY_TOKEN_MAX_S + SIGNING_KEY_LEEWAY_S) * MS_PER_S;

    return db_exec(actor->db, sql_remove, NULL, DB_I64(last_ms), DB_END);
}

int signing_key_open(const struct actor *actor, const struct seal_key *secret, struct signing_key *key)
{
    struct db_rows rows;

    *key = (struct signing_key){.id = ""};
    if (remove_spent(actor) < 0 || db_query(actor->db, actor->arena, sql_active, &rows, DB_END) < 0)
        return -1;
    /* Somebody else may make it while we wait for the lock, so look again. */
    if (rows.count == 0 &&
        (usage_row_lock_numbers(actor) < 0 || db_query(actor->db, actor->arena, sql_active, &rows, DB_END) < 0))
        return -1;
    if (rows.count == 0 && (make(actor, secret, "active") < 0 || make(actor, secret, "next") < 0 ||
                            db_query(actor->db, actor->arena, sql_active, &rows, DB_END) < 0))
        return -1;
    return unseal(actor, secret, &rows, key);
}

void signing_key_release(struct signing_key *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}

int signing_key_has_any(const struct actor *actor, bool *has_any)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_any, &rows, DB_END) < 0)
        return -1;
    *has_any = db_bool(&rows, 0, 0);
    return 0;
}

int signing_key_rotate(const struct actor *actor, const struct seal_key *secret, char id[SIGNING_KEY_ID_LEN + 1])
{
    struct db_rows rows;

    if (usage_row_lock_numbers(actor) < 0 || remove_spent(actor) < 0 ||
        db_exec(actor->db, sql_retire, NULL, DB_I64(actor->now_ms), DB_END) < 0 ||
        db_query(actor->db, actor->arena, sql_activate, &rows, DB_END) < 0)
        return -1;
    if (rows.count == 0 &&
        (make(actor, secret, "next") < 0 || db_query(actor->db, actor->arena, sql_activate, &rows, DB_END) < 0))
        return -1;
    snprintf(id, SIGNING_KEY_ID_LEN + 1, "%s", db_text(&rows, 0, 0));
    if (make(actor, secret, "next") < 0)
        return -1;
    return audit_write(actor, "signing-key.rotate", "signing-key", id, NULL);
}
