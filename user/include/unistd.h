/* <unistd.h>: processes and files. */
#ifndef USER_UNISTD_H
#define USER_UNISTD_H

#include "abi/file.h"
#include <sys/types.h>

#define STDIN_FILENO  0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

extern char **environ; /* empty */

pid_t fork(void);
int execve(const char *path, char *const argv[], char *const envp[]);
int execv(const char *path, char *const argv[]);
int execvp(const char *file, char *const argv[]); /* a name without / is looked for in /bin */
void _exit(int status) __attribute__((noreturn));
pid_t getpid(void);
pid_t getppid(void);
int setpgid(pid_t pid, pid_t group);
pid_t getpgid(pid_t pid);
pid_t getpgrp(void);
pid_t tcgetpgrp(int fd);
int tcsetpgrp(int fd, pid_t group); /* group 0: none, then ^C only ends the line (dev/console.h) */
int isatty(int fd);
void *sbrk(intptr_t increment); /* the old break; (void *)-1 */
unsigned sleep(unsigned seconds);
int usleep(useconds_t microseconds);

int close(int fd);
ssize_t read(int fd, void *to, size_t n);
ssize_t write(int fd, const void *from, size_t n);
off_t lseek(int fd, off_t offset, int whence);
int dup(int fd);
int dup2(int fd, int to);
int pipe(int ends[2]);
int fsync(int fd);
int link(const char *existing, const char *path);
int unlink(const char *path);
int rmdir(const char *path);
int chdir(const char *path);

extern char *optarg;
extern int optind, opterr, optopt;
int getopt(int argc, char *const argv[], const char *options);

#endif
