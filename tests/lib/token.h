/* Tokens made by OpenSSL alone, for tests of what judges them. In a header so that each program stays one file. */
#ifndef TESTS_TOKEN_H
#define TESTS_TOKEN_H

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_ROOM (64 * 1024)

/* 32 bytes of zeros, and the same as a JWK's k. */
#define TOKEN_ZERO_SECRET ((const unsigned char[32]){0})
#define TOKEN_ZERO_SECRET_K "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* base64url of the bytes, NUL-terminated; returns its length. */
static inline size_t token_encode(const void *bytes, size_t len, char *text)
{
    size_t text_len = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);

    while (text_len > 0 && text[text_len - 1] == '=')
        text_len--;
    for (size_t i = 0; i < text_len; i++)
        text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    text[text_len] = '\0';
    return text_len;
}

/* header.payload.HMAC-SHA-256 under TOKEN_ZERO_SECRET, in memory that the next call overwrites. */
static inline const char *token_hs256(const char *header, const void *payload, size_t payload_len)
{
    static char token[TOKEN_ROOM];
    unsigned char tag[32];
    size_t len = token_encode(header, strlen(header), token);

    assert(payload_len < TOKEN_ROOM / 2);
    token[len++] = '.';
    len += token_encode(payload, payload_len, token + len);
    HMAC(EVP_sha256(), TOKEN_ZERO_SECRET, 32, (const unsigned char *)token, len, tag, NULL);
    token[len++] = '.';
    token_encode(tag, sizeof tag, token + len);
    return token;
}

#endif
