/* The commands that the shell carries out itself, because they change the shell. */
#include "sh.h"

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_USAGE 2

static int builtin_cd(char **words)
{
    const char *directory = words[1] ? words[1] : "/";

    if (words[1] && words[2]) {
        warnx("usage: cd [DIRECTORY]");
        return STATUS_USAGE;
    }
    if (chdir(directory) == 0)
        return 0;
    warn("%s", directory);
    return 1;
}

/* A script that meant to end does so, whatever it meant to end with; a person may try again. */
static int builtin_exit(char **words)
{
    const char *wrong = NULL;
    int status = words[1] ? (int)strtonum(words[1], INT_MIN, INT_MAX, &wrong) : last_status;

    if (wrong) {
        warnx("exit: %s: not a number", words[1]);
        status = STATUS_USAGE;
        if (interactive)
            return status;
    }
    exit(status & 0xff);
}

/* wait [PID]: for one child, or for all. The status is that of the child, or 0. */
static int builtin_wait(char **words)
{
    const char *wrong = NULL;
    pid_t pid = words[1] ? (pid_t)strtonum(words[1], 1, INT_MAX, &wrong) : -1;
    int status = 0;

    if (wrong) {
        warnx("wait: %s: not a process id", words[1]);
        return STATUS_USAGE;
    }
    for (;;) {
        pid_t ended = waitpid(pid, &status, 0);
        if (ended < 0 && pid < 0)
            return 0; /* none is left */
        if (ended < 0) {
            warn("wait %d", pid);
            return 127;
        }
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

static int builtin_true(char **words)
{
    (void)words;
    return 0;
}

static int builtin_false(char **words)
{
    (void)words;
    return 1;
}

static const struct {
    const char *name;
    int (*run)(char **words);
} builtins[] = {
    {"cd", builtin_cd},     {"exit", builtin_exit},   {"wait", builtin_wait},
    {"true", builtin_true}, {"false", builtin_false},
};
#define BUILTINS (sizeof builtins / sizeof builtins[0])

static size_t builtin_find(const char *name)
{
    size_t i = 0;

    while (i < BUILTINS && strcmp(name, builtins[i].name) != 0)
        i++;
    return i;
}

bool builtin_is(const char *name) { return builtin_find(name) < BUILTINS; }

bool builtin_run(char **words, int *status)
{
    size_t i = builtin_find(words[0]);

    if (i == BUILTINS)
        return false;
    *status = builtins[i].run(words);
    return true;
}
