/* assert(): states what the kernel itself guarantees. The condition has no side effects. */
#ifndef LIB_ASSERT_H
#define LIB_ASSERT_H

#include "lib/printf.h"

#define assert(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition);                  \
    } while (0)

#endif
