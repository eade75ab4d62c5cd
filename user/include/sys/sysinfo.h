/* <sys/sysinfo.h>: the state of the system, and power-off. */
#ifndef USER_SYS_SYSINFO_H
#define USER_SYS_SYSINFO_H

#include "abi/process.h"

int sysinfo(struct sysinfo *info);
int procinfo(unsigned index, struct procinfo *info); /* ESRCH past the end of the table */
int poweroff(int code);                              /* ends QEMU with this exit code, 0..255 */

#endif
