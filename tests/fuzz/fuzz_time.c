/* Any text: time_parse either refuses it or reads an instant that, written and read again, is the same. */
#include <assert.h>

#include "core/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TIME_TEXT_SIZE];
    int64_t ms = 0, again = 0;

    if (time_parse((struct str){(const char *)data, size}, &ms) < 0)
        return 0;
    /* An offset may lead out of the years that can be written; then the nearest bound is. */
    time_format(ms, text);
    int rc = time_parse(str_of(text), &again);
    assert(rc == 0);
    assert(again == ms || ms < time_day_of(0, 1, 1) * MS_PER_DAY || ms >= time_day_of(10000, 1, 1) * MS_PER_DAY);
    return 0;
}
