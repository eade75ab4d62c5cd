/* <sched.h> */
#ifndef USER_SCHED_H
#define USER_SCHED_H

int sched_yield(void);

#endif
