/* What user/bench/main.c takes from rvnet's headers and Linux's have not or keep elsewhere: with this
 * header in front (-include) it compiles for Linux as it is. init.c has the functions. */
#ifndef BENCH_LINUX_RVNET_H
#define BENCH_LINUX_RVNET_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SIOCGCOUNTERS 0 /* the only list that list_fetch() knows */
#define IFF_POLLED    0 /* there is no such mode: interface_change_flags() fails */

struct netcounter {
    const char *group, *name;
    unsigned long value;
};

struct procinfo {
    int pid;
    const char *name;
    unsigned long switches;
};
int procinfo(int index, struct procinfo *info); /* there are none: -1 */

int bench_main(void); /* main() of user/bench/main.c, compiled with -Dmain=bench_main */

/* Either the system calls of those names, or in their place recvfrom and sendto of one datagram. */
int echo_receive(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *);
int echo_send(int fd, struct mmsghdr *messages, unsigned count, int flags);
#ifdef main
#define recvmmsg echo_receive
#define sendmmsg echo_send
#endif

#endif
