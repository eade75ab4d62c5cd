/* <signal.h>: signals end a process; there are no handlers. */
#ifndef USER_SIGNAL_H
#define USER_SIGNAL_H

#include "abi/process.h"

int kill(pid_t pid, int signal);
int raise(int signal);

#endif
