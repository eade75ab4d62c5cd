/* Time since boot, from the machine's timebase. */
#ifndef PROC_CLOCK_H
#define PROC_CLOCK_H

#include "lib/types.h"

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS  1000000ull
#define NS_PER_US  1000ull

/* A deadline that never comes. */
#define NEVER UINT64_MAX

/* Nanoseconds since boot; monotonic, the same on every hart. */
uint64_t clock_ns(void);

/* The timebase value at that time, for the timer's compare register. */
uint64_t clock_to_timebase(uint64_t ns);

#endif
