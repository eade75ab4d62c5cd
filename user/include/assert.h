/* <assert.h> */
#ifndef USER_ASSERT_H
#define USER_ASSERT_H

#include <stdio.h>
#include <stdlib.h>

#define assert(condition)                                                                          \
    ((condition)                                                                                   \
         ? (void)0                                                                                 \
         : (fprintf(stderr, "%s:%d: assertion failed: %s\n", __FILE__, __LINE__, #condition),      \
            abort()))

#endif
