/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include "core/base.h"
#include "core/str.h"

/* Length of the sequence at `text`, of which `len` >= 1 bytes may be read; 0 when it is not well-formed. */
size_t utf8_len(const unsigned char *text, size_t len);

bool utf8_is_valid(struct str text);

#endif
