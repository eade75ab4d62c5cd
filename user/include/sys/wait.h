/* <sys/wait.h>: the end of child processes. */
#ifndef USER_SYS_WAIT_H
#define USER_SYS_WAIT_H

#include "abi/process.h"

pid_t wait(int *status);
pid_t waitpid(pid_t pid, int *status, int options);

#endif
