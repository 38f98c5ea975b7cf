/* Base64url without padding (RFC 4648 section 5), as JOSE writes it. jose/base64url.h reads it. */
#ifndef CRYPTO_BASE64URL_H
#define CRYPTO_BASE64URL_H

#include "core/base.h"

/* Characters of `len` bytes. */
#define BASE64URL_LEN(len) (((len)*4 + 2) / 3)

/* Writes BASE64URL_LEN(len) characters and a NUL. */
void base64url_encode(const void *bytes, size_t len, char *text);

#endif
