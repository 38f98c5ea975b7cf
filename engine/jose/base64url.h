/* Strict base64url, RFC 4648 section 5 without padding: what JOSE writes and nothing else.
 *
 * One byte string has exactly one accepted text: no '=', no white space, no '+' or '/', no length of 4n + 1, and the
 * bits of the last character that carry nothing are zero. So two different token texts never have the same
 * signature, and whoever keys a cache or a revocation list by the text cannot be led around it.
 */
#ifndef BTCF_JOSE_BASE64URL_H
#define BTCF_JOSE_BASE64URL_H

#include "core/base.h"

/* Bytes that `text_len` characters decode to; an upper bound for a text that is not valid. */
#define BTCF_BASE64URL_SIZE(text_len) ((text_len) / 4 * 3 + 2)

/* Decodes into `bytes`, which has `bytes_max` bytes of room, and may not overlap the text. False, with nothing to be said of the
 * room, when the text is not strict or does not fit. The empty text is the empty string. */
bool btcf_base64url_decode(const char *text, size_t text_len, unsigned char *bytes, size_t bytes_max,
                           size_t *bytes_len) BTCF_MUST_CHECK;

#endif
