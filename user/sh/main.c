/* sh [-c COMMAND | FILE]: the shell. Reads commands from the argument, a file, or standard input;
 * when that is the console, with a prompt.
 *
 * Pipes |, redirections < > >> [n]> >& , sequences ; && || &, subshells ( ), quotes, comments #,
 * $?. Built in: cd, exit, wait, true, false. All other commands are programs in /bin, or paths.
 */
#include "sh.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_SYNTAX 2

bool interactive;
int last_status;
int script_fd = -1;

/* Reads a line without its newline. Byte by byte: what lies behind the line may be meant for a
 * program that the line starts. Returns its length, -1 at the end of the input; a line that is too
 * long is refused as a whole. */
static int read_line(int fd, char *line)
{
    size_t length = 0;
    char c;
    ssize_t n;

    while ((n = read(fd, &c, 1)) == 1 && c != '\n') {
        if (length < LINE_MAX)
            line[length++] = c;
    }
    if (n < 0)
        err(1, "read");
    if (n == 0 && length == 0)
        return -1;
    if (length == LINE_MAX) {
        warnx("line too long");
        last_status = STATUS_SYNTAX;
        length = 0;
    }
    line[length] = 0;
    return (int)length;
}

static void run_line(const char *line)
{
    const struct node *list = parse(line);

    if (list)
        run_list(list);
    else
        last_status = STATUS_SYNTAX;
}

static void run_input(int fd)
{
    static char line[LINE_MAX + 1];

    for (;;) {
        if (interactive) {
            /* A program may have left it so that a read does not wait: the open file is shared. */
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
            jobs_reap();
            printf("$ ");
            fflush(stdout);
        }
        if (read_line(fd, line) < 0)
            return;
        run_line(line);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "-c") == 0) {
        if (strlen(argv[2]) >= LINE_MAX)
            errx(STATUS_SYNTAX, "command too long");
        run_line(argv[2]);
        return last_status;
    }
    if (argc > 2 || (argc == 2 && argv[1][0] == '-'))
        errx(STATUS_SYNTAX, "usage: sh [-c COMMAND | FILE]");
    if (argc == 2) {
        script_fd = open(argv[1], O_RDONLY);
        if (script_fd < 0)
            err(127, "%s", argv[1]);
        run_input(script_fd);
        return last_status;
    }
    interactive = isatty(STDIN_FILENO);
    if (interactive)
        tcsetpgrp(STDIN_FILENO, 0);
    run_input(STDIN_FILENO);
    return last_status;
}
