/* See the header. */
#include "core/utf8.h"

size_t utf8_len(const unsigned char *text, size_t len)
{
    unsigned char c = text[0];
    size_t need = 0;

    if (c < 0x80)
        need = 1;
    else if (c >= 0xc2 && c < 0xe0)
        need = 2;
    else if (c >= 0xe0 && c < 0xf0)
        need = 3;
    else if (c >= 0xf0 && c < 0xf5)
        need = 4;
    if (need == 0 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) || (c == 0xf0 && text[1] < 0x90) ||
        (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return need;
}

bool utf8_is_valid(struct str text)
{
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_len((const unsigned char *)text.ptr + i, text.len - i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}
