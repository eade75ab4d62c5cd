/* Processes and time: what POSIX builds on the system calls for them. */
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *no_environment[] = {NULL};
char **environ = no_environment;

static const char *program_name = "?";

const char *getprogname(void) { return program_name; }

int main(int argc, char **argv);
void __program_begin(int argc, char **argv) __attribute__((noreturn));

/* From crt0.S. */
void __program_begin(int argc, char **argv)
{
    if (argc > 0) {
        const char *slash = strrchr(argv[0], '/');
        program_name = slash ? slash + 1 : argv[0];
    }
    exit(main(argc, argv));
}

void __syscall_exit(int status) __attribute__((noreturn));

void _exit(int status) { __syscall_exit(status); }

/* _exit() would lose what the streams still hold. */
void exit(int status)
{
    fflush(NULL);
    _exit(status);
}

/* There is no SIGABRT to end with; an illegal instruction ends the program as abnormally. */
void abort(void)
{
    fflush(NULL);
    for (;;)
        __asm__ volatile("unimp");
}

char *getenv(const char *name)
{
    (void)name;
    return NULL;
}

int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }

/* PATH is always /bin, since there is no environment to set it in. */
int execvp(const char *file, char *const argv[])
{
    char path[PATH_MAX];

    if (strchr(file, '/'))
        return execv(file, argv);
    if (*file == 0 || snprintf(path, sizeof path, "/bin/%s", file) >= (int)sizeof path) {
        errno = *file ? ENAMETOOLONG : ENOENT;
        return -1;
    }
    return execv(path, argv);
}

pid_t wait(int *status) { return waitpid(-1, status, 0); }
int raise(int signal) { return kill(getpid(), signal); }
pid_t getpgrp(void) { return getpgid(0); }

pid_t tcgetpgrp(int fd)
{
    pid_t group;
    return ioctl(fd, TIOCGPGRP, &group) ? -1 : group;
}

int tcsetpgrp(int fd, pid_t group) { return ioctl(fd, TIOCSPGRP, &group); }
int isatty(int fd) { return tcgetpgrp(fd) >= 0; }

time_t time(time_t *now)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    if (now)
        *now = ts.tv_sec;
    return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec ts;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &ts))
        return -1;
    *now = (struct timeval){.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
    return 0;
}

unsigned sleep(unsigned seconds)
{
    struct timespec duration = {.tv_sec = seconds};
    return nanosleep(&duration, NULL) ? seconds : 0;
}

int usleep(useconds_t microseconds)
{
    struct timespec duration = {.tv_sec = microseconds / 1000000,
                                .tv_nsec = microseconds % 1000000 * 1000};
    return nanosleep(&duration, NULL);
}
