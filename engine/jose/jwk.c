/* JWK Set: jansson reads it, because start-up may cost something and files are edited by people; each key then goes
 * to public_key or mac_key.
 *
 * Two kinds of "no". A key that is not for us is left out (RFC 7517 section 5 asks for that). A set that contradicts itself
 * is refused, because whichever key we picked, somebody meant the other one: above all secrets beside public keys,
 * the wardrobe of every algorithm confusion.
 */
#include "jose/jwk.h"

#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jose/base64url.h"
#include "jose/mac_key.h"
#include "jose/public_key.h"

#define NUMBER_MAX 2048 /* bytes of any number or secret in a key: more than all limits behind it */

static const char no_memory[] = "no memory for keys";

static const char *read_keys(struct btcf_jwks *set, const json_t *document, const struct btcf_alg *only);
static const char *read_key(struct btcf_jwk *key, const json_t *jwk, const struct btcf_alg *only);
static const char *check_set(const struct btcf_jwks *set);
static void release_key(struct btcf_jwk *key);
static bool has_private_part(const json_t *document);
static void wipe(const json_t *value);

const char *btcf_jwks_parse(const char *text, size_t len, const struct btcf_alg *only, struct btcf_jwks **set)
{
    struct btcf_jwks *read;
    json_t *document;

    if (len > BTCF_JWKS_FILE_MAX)
        return "the key set is larger than 256 KiB";
    document = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (document == NULL)
        return "the key set is not JSON, or has a member twice";
    read = calloc(1, sizeof *read);
    const char *why = read == NULL ? no_memory : read_keys(read, document, only);
    if (why == NULL)
        why = check_set(read);
    wipe(document);
    json_decref(document);
    if (why != NULL)
        btcf_jwks_free(&read);
    else
        *set = read;
    return why;
}

/* The whole file into `text`; its length, or -1. */
static ssize_t read_file(int file, char *text, size_t size)
{
    size_t len = 0;
    ssize_t got = 1;

    while (got > 0 && len < size) {
        got = read(file, text + len, size - len);
        if (got > 0)
            len += (size_t)got;
    }
    return got < 0 ? -1 : (ssize_t)len;
}

const char *btcf_jwks_load(const char *path, const struct btcf_alg *only, struct btcf_jwks **set)
{
    const char *why = "the key file cannot be read";
    size_t size = BTCF_JWKS_FILE_MAX + 1;
    struct stat stat;
    char *text = malloc(size);

    if (text == NULL)
        return no_memory;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (file >= 0 && fstat(file, &stat) == 0 && S_ISREG(stat.st_mode)) {
        ssize_t len = read_file(file, text, size);

        if (len >= 0)
            why = btcf_jwks_parse(text, (size_t)len, only, set);
    }
    if (file >= 0)
        close(file);
    OPENSSL_cleanse(text, size);
    free(text);
    return why;
}

void btcf_jwks_free(struct btcf_jwks **set)
{
    if (*set == NULL)
        return;
    for (size_t i = 0; i < (*set)->count; i++)
        release_key(&(*set)->keys[i]);
    free(*set);
    *set = NULL;
}

static bool has_kid(const struct btcf_jwk *key, const char *kid, size_t kid_len)
{
    return key->has_kid && key->kid_len == kid_len && memcmp(key->kid, kid, kid_len) == 0;
}

const struct btcf_jwk *btcf_jwks_find(const struct btcf_jwks *set, const char *kid, size_t kid_len)
{
    if (kid == NULL)
        return set->count == 1 ? &set->keys[0] : NULL;
    for (size_t i = 0; i < set->count; i++)
        if (has_kid(&set->keys[i], kid, kid_len))
            return &set->keys[i];
    return NULL;
}

/* One key into the set, or into the count of those left out. Only a lack of memory ends it. */
static const char *take_key(struct btcf_jwks *set, const json_t *jwk, const struct btcf_alg *only)
{
    struct btcf_jwk *key = &set->keys[set->count];
    const char *why = read_key(key, jwk, only);

    if (has_private_part(jwk))
        set->has_private = true;
    if (why == NULL) {
        set->count++;
        return NULL;
    }
    release_key(key);
    set->skipped_count++;
    if (set->first_skipped == NULL)
        set->first_skipped = why;
    return why == no_memory ? why : NULL;
}

static const char *read_keys(struct btcf_jwks *set, const json_t *document, const struct btcf_alg *only)
{
    const json_t *keys = json_object_get(document, "keys"), *jwk;
    size_t i;

    if (!json_is_object(document))
        return "the key set is not an object";
    if (keys == NULL)
        return take_key(set, document, only);
    if (!json_is_array(keys))
        return "the key set's keys are not an array";
    if (json_array_size(keys) > BTCF_JWKS_KEYS_MAX)
        return "the key set has more than 64 keys";
    json_array_foreach(keys, i, jwk)
    {
        const char *why = take_key(set, jwk, only);

        if (why != NULL)
            return why;
    }
    return NULL;
}

static const char *check_set(const struct btcf_jwks *set)
{
    if (set->count == 0)
        return set->first_skipped != NULL ? set->first_skipped : "the key set is empty";
    for (size_t i = 1; i < set->count; i++) {
        const struct btcf_jwk *key = &set->keys[i];

        if ((key->mac_key != NULL) != (set->keys[0].mac_key != NULL))
            return "the key set has secrets beside public keys";
        for (size_t j = 0; key->has_kid && j < i; j++)
            if (has_kid(&set->keys[j], key->kid, key->kid_len))
                return "two keys of the set have the same kid";
    }
    return NULL;
}

static void release_key(struct btcf_jwk *key)
{
    if (key->mac_key != NULL)
        btcf_mac_key_release(key->mac_key);
    if (key->public_key != NULL)
        btcf_public_key_release(key->public_key);
    free(key->mac_key);
    free(key->public_key);
    *key = (struct btcf_jwk){.alg = NULL};
}

/* A text member, or NULL; other kinds are as good as absent, and what needs it fails. */
static const char *text_of(const json_t *jwk, const char *name)
{
    return json_string_value(json_object_get(jwk, name));
}

static bool is_text(const char *text, const char *expected)
{
    return text != NULL && strcmp(text, expected) == 0;
}

static const char *check_use(const json_t *jwk)
{
    const json_t *use = json_object_get(jwk, "use"), *operations = json_object_get(jwk, "key_ops"), *operation;
    bool is_for_verify = operations == NULL;
    size_t i;

    if (use != NULL && !is_text(json_string_value(use), "sig"))
        return "a key is not for signatures";
    json_array_foreach(operations, i, operation)
    {
        if (is_text(json_string_value(operation), "verify"))
            is_for_verify = true;
    }
    return is_for_verify ? NULL : "a key is not for verifying";
}

/* What a key of this kind and curve is for when it does not say, or NULL. */
static const struct btcf_alg *natural_alg(const char *kty, const char *crv)
{
    if (is_text(kty, "RSA"))
        return btcf_alg_find("RS256", 5);
    if (is_text(kty, "oct"))
        return btcf_alg_find("HS256", 5);
    if (!is_text(kty, "EC") && !is_text(kty, "OKP"))
        return NULL;
    for (size_t i = 0; btcf_alg_at(i) != NULL; i++) {
        const struct btcf_alg *alg = btcf_alg_at(i);

        if (alg->curve != NULL && is_text(crv, alg->curve) && (alg->family == BTCF_ECDSA) == is_text(kty, "EC"))
            return alg;
    }
    return NULL;
}

/* Whether key material of the kind that `natural` stands for serves `alg`. */
static bool is_fit(const struct btcf_alg *alg, const struct btcf_alg *natural)
{
    bool is_rsa = natural->family == BTCF_RSA_PKCS1;

    if (is_rsa || natural->family == BTCF_HMAC)
        return alg->family == natural->family || (is_rsa && alg->family == BTCF_RSA_PSS);
    return alg == natural;
}

/* The one algorithm of the key. */
static const char *choose_alg(const json_t *jwk, const struct btcf_alg *only, const struct btcf_alg **chosen)
{
    const struct btcf_alg *natural = natural_alg(text_of(jwk, "kty"), text_of(jwk, "crv"));
    const json_t *said = json_object_get(jwk, "alg");
    const char *name = json_string_value(said);

    if (natural == NULL)
        return "a key is of a kind or curve that we do not know";
    *chosen = natural;
    if (is_text(name, "ES521")) /* what early libraries called ES512, and some still write */
        name = "ES512";
    if (said != NULL)
        *chosen = name != NULL ? btcf_alg_find(name, strlen(name)) : NULL;
    if (*chosen == NULL)
        return "a key is for an algorithm that we do not know";
    if (!is_fit(*chosen, natural))
        return "a key's algorithm does not fit its kind or curve";
    if (only == NULL || only == *chosen)
        return NULL;
    if (!is_fit(only, natural) || (said != NULL && only->family != (*chosen)->family))
        return "a key is not for the algorithm asked for";
    *chosen = only;
    return NULL;
}

/* The base64url of a member into `room` of NUMBER_MAX bytes. */
static bool read_bytes(const json_t *jwk, const char *name, unsigned char *room, struct btcf_bytes *bytes)
{
    const json_t *value = json_object_get(jwk, name);

    bytes->ptr = room;
    return json_is_string(value) &&
           btcf_base64url_decode(json_string_value(value), json_string_length(value), room, NUMBER_MAX, &bytes->len);
}

static const char *read_public_key(struct btcf_public_key *key, const json_t *jwk, const struct btcf_alg *alg)
{
    unsigned char rooms[2][NUMBER_MAX];
    struct btcf_bytes first, second;
    const char *why = "a number of a public key is absent, too long or not base64url";

    if (alg->family == BTCF_ECDSA) {
        if (read_bytes(jwk, "x", rooms[0], &first) && read_bytes(jwk, "y", rooms[1], &second))
            why = btcf_public_key_init_ec(key, alg, first, second);
    } else if (alg->family == BTCF_ED25519) {
        if (read_bytes(jwk, "x", rooms[0], &first))
            why = btcf_public_key_init_ed25519(key, alg, first);
    } else if (read_bytes(jwk, "n", rooms[0], &first) && read_bytes(jwk, "e", rooms[1], &second)) {
        why = btcf_public_key_init_rsa(key, alg, first, second);
    }
    return why;
}

static const char *read_secret(struct btcf_mac_key *key, const json_t *jwk, const struct btcf_alg *alg)
{
    unsigned char room[NUMBER_MAX];
    struct btcf_bytes secret;
    const char *why = "a secret is absent, too long or not base64url";

    if (read_bytes(jwk, "k", room, &secret))
        why = btcf_mac_key_init(key, alg, secret.ptr, secret.len);
    OPENSSL_cleanse(room, sizeof room);
    return why;
}

static const char *read_kid(struct btcf_jwk *key, const json_t *jwk)
{
    const json_t *kid = json_object_get(jwk, "kid");

    if (kid == NULL)
        return NULL;
    if (!json_is_string(kid) || json_string_length(kid) > BTCF_KID_MAX)
        return "a kid is not a text of at most 128 bytes";
    key->has_kid = true;
    key->kid_len = json_string_length(kid);
    memcpy(key->kid, json_string_value(kid), key->kid_len);
    return NULL;
}

static const char *read_key(struct btcf_jwk *key, const json_t *jwk, const struct btcf_alg *only)
{
    const char *why = json_is_object(jwk) ? check_use(jwk) : "a key is not an object";

    if (why == NULL)
        why = read_kid(key, jwk);
    if (why == NULL)
        why = choose_alg(jwk, only, &key->alg);
    if (why != NULL)
        return why;
    if (key->alg->family == BTCF_HMAC) {
        key->mac_key = calloc(1, sizeof *key->mac_key);
        return key->mac_key == NULL ? no_memory : read_secret(key->mac_key, jwk, key->alg);
    }
    key->public_key = calloc(1, sizeof *key->public_key);
    return key->public_key == NULL ? no_memory : read_public_key(key->public_key, jwk, key->alg);
}

static bool has_private_part(const json_t *jwk)
{
    return json_object_get(jwk, "d") != NULL;
}

/* Every text of the document, as k or d may be anywhere in a file that was refused. jansson would free them as they are. */
static void wipe(const json_t *value)
{
    const json_t *element;
    const char *name;
    size_t i;

    if (json_is_string(value))
        OPENSSL_cleanse((char *)json_string_value(value), json_string_length(value));
    json_array_foreach(value, i, element)
    {
        wipe(element);
    }
    json_object_foreach((json_t *)value, name, element)
    {
        wipe(element);
    }
}
