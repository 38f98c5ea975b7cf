/* Three bytes are four characters; one left over is two characters, two are three. */
#include "crypto/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const void *bytes, size_t len, char *text)
{
    const unsigned char *in = bytes;
    unsigned bits = 0, held = 0; /* how many of the low bits of `held` are not written yet */

    for (size_t i = 0; i < len; i++) {
        held = held << 8 | in[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *text++ = alphabet[held >> (bits - 6) & 63];
        held &= 63;
    }
    if (bits > 0)
        *text++ = alphabet[held << (6 - bits) & 63];
    *text = '\0';
}
