/* Functions that this code base never calls, as compile errors with the replacement in the message.
 * Included by the engine's build in front of every file (-include); never by nginx.
 * The idea is git's banned.h. The system headers that declare them come first, so that only uses are caught.
 */
#ifndef CORE_BANNED_H
#define CORE_BANNED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(name, instead) sorry_##name##_is_banned_use_##instead

#undef strcpy
#define strcpy(a, b) BANNED(strcpy, strbuf)
#undef strcat
#define strcat(a, b) BANNED(strcat, strbuf)
#undef strncpy
#define strncpy(a, b, c) BANNED(strncpy, snprintf_or_memcpy)
#undef strncat
#define strncat(a, b, c) BANNED(strncat, strbuf)
#undef sprintf
#define sprintf(...) BANNED(sprintf, snprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf, vsnprintf)
#undef strtok
#define strtok(a, b) BANNED(strtok, str_split)
#undef gmtime
#define gmtime(a) BANNED(gmtime, time_split)
#undef localtime
#define localtime(a) BANNED(localtime, time_split)
#undef ctime
#define ctime(a) BANNED(ctime, time_format)
#undef asctime
#define asctime(a) BANNED(asctime, time_format)
#undef atoi
#define atoi(a) BANNED(atoi, str_parse_i64)
#undef atol
#define atol(a) BANNED(atol, str_parse_i64)
#undef atof
#define atof(a) BANNED(atof, str_parse_double)
#undef rand
#define rand() BANNED(rand, rng_next)
#undef srand
#define srand(a) BANNED(srand, rng_init)

#endif
