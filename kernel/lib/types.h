/* Fixed-width types and the few macros that every kernel file uses. Nothing here needs a library. */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include "abi/types.h"

#define ARRAY_SIZE(array)  (sizeof(array) / sizeof((array)[0]))
#define ALIGN_UP(x, a)     (((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a)   ((x) & ~((__typeof__(x))(a)-1))
#define IS_POWER_OF_TWO(x) ((x) != 0 && ((x) & ((x)-1)) == 0)
#define MIN(a, b)          ((a) < (b) ? (a) : (b))
#define MAX(a, b)          ((a) > (b) ? (a) : (b))

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Kept out of its callers, which then need not save the registers that it takes. */
#define NOINLINE __attribute__((noinline))
/* A copy of its own for each caller, made for the constants that this one passes. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
/* What is true, though the compiler cannot know it. */
#define ASSUME(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_unreachable();                                                               \
    } while (0)

/* One load or store, neither repeated, merged nor left out by the compiler: for memory that another
 * hart or a device changes. Ordering against other accesses is the business of arch/barrier.h. */
#define READ_ONCE(x)         (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#endif
