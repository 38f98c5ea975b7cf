/* Doubles in tests, with the tolerance said each time: cmocka compares floats only. Include after cmocka.h. */
#ifndef TESTS_NEAR_H
#define TESTS_NEAR_H

#include <math.h>

/* |got - wanted| <= tolerance; NaN is near nothing. */
#define assert_near(got, wanted, tolerance)                                                                          \
    do {                                                                                                             \
        double near_got = (got), near_wanted = (wanted);                                                             \
        if (!(fabs(near_got - near_wanted) <= (tolerance)))                                                          \
            fail_msg("%s is %.17g, not %.17g within %g", #got, near_got, near_wanted, (double)(tolerance));          \
    } while (0)

/* The same, relative to what is wanted. */
#define assert_close(got, wanted, relative) assert_near(got, wanted, (relative)*fabs(wanted))

#endif
