/* <time.h>: both clocks count from boot. */
#ifndef USER_TIME_H
#define USER_TIME_H

#include "abi/process.h"
#include <sys/types.h>

time_t time(time_t *now);
int clock_gettime(clockid_t clock, struct timespec *now);
int nanosleep(const struct timespec *duration, struct timespec *remaining);

#endif
