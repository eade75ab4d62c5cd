/* How the shell runs what it has parsed.
 *
 * Jobs and ^C. In an interactive shell each pipeline is a process group of its own; while the shell
 * waits for one, that is the console's foreground group, which ^C kills. Afterwards the shell sets
 * the foreground group to 0 (nobody), since it could not survive being in it. Shells that are not
 * interactive, subshells among them, leave groups alone, so that all they start belongs to the job
 * they are themselves.
 */
#include "sh.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_NOT_FOUND      127
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_SIGNAL         128 /* + its number */
#define COMMANDS_MAX          64  /* of one pipeline */
#define WORDS_MAX             256 /* of one command */
#define REDIRECTABLE          10  /* a redirection names a descriptor with one digit */
#define NOT_REDIRECTED        (-2)

static void run_node_in_child(const struct node *command) __attribute__((noreturn));

/* What is in the output buffer would come out twice. */
static pid_t fork_checked(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        warn("fork");
    return pid;
}

/* An exit status for $?, with a message for what a user should know. */
static int status_read(pid_t pid, int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGPIPE)
        warnx("process %d was ended by signal %d", pid, WTERMSIG(status));
    return STATUS_SIGNAL + WTERMSIG(status);
}

/* The word with each mark replaced by the last status. */
static char *expand(char *word)
{
    size_t marks = 0, used = 0;

    for (const char *s = word; *s; s++)
        marks += *s == STATUS_MARK;
    if (marks == 0)
        return word;

    size_t size = strlen(word) + 1 + 3 * marks; /* a status has at most three digits */
    char *result = malloc(size);
    if (!result)
        errx(1, "out of memory");
    for (const char *s = word; *s; s++) {
        bool status = *s == STATUS_MARK && *++s == '?';
        used += (size_t)snprintf(result + used, size - used, status ? "%d" : "%c",
                                 status ? last_status : *s);
    }
    return result;
}

static bool redirect_to(const struct redirection *redirection, const char *target)
{
    static const int flags[] = {
        [TOKEN_INPUT] = O_RDONLY,
        [TOKEN_OUTPUT] = O_WRONLY | O_CREAT | O_TRUNC,
        [TOKEN_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
    };
    if (redirection->kind == TOKEN_DUPLICATE) {
        const char *wrong;
        int source = (int)strtonum(target, 0, INT_MAX, &wrong);
        if (wrong || dup2(source, redirection->fd) < 0) {
            warnx("%s: not an open descriptor", target);
            return false;
        }
        return true;
    }
    int fd = open(target, flags[redirection->kind], 0666);
    if (fd < 0) {
        warn("%s", target);
        return false;
    }
    if (fd != redirection->fd) {
        dup2(fd, redirection->fd);
        close(fd);
    }
    return true;
}

/* From left to right, so that "> f 2>&1" sends both to f. */
static bool redirect(const struct redirection *redirection)
{
    bool done = true;

    for (; done && redirection; redirection = redirection->next) {
        char *target = expand(redirection->target);
        done = redirect_to(redirection, target);
        if (target != redirection->target)
            free(target);
    }
    return done;
}

/* Fills `expanded` with the command's words; false if there are too many. */
static bool expand_all(char **words, char **expanded)
{
    size_t n = 0;

    for (; words[n]; n++) {
        if (n == WORDS_MAX) {
            warnx("command has too many words");
            return false;
        }
        expanded[n] = expand(words[n]);
    }
    expanded[n] = NULL;
    return true;
}

static void free_expanded(char **words, char **expanded)
{
    for (size_t n = 0; words[n]; n++) {
        if (expanded[n] != words[n])
            free(expanded[n]);
    }
}

static void execute(char **words) __attribute__((noreturn));
static void execute(char **words)
{
    execvp(words[0], words);
    if (errno == ENOENT)
        errx(STATUS_NOT_FOUND, "%s: not found", words[0]);
    err(STATUS_NOT_EXECUTABLE, "%s", words[0]);
}

static void run_node_in_child(const struct node *command)
{
    char *words[WORDS_MAX + 1];
    int status = 0;

    interactive = false;
    if (script_fd >= 0)
        close(script_fd);
    script_fd = -1;
    if (!redirect(command->redirections))
        exit(1);
    if (command->kind == NODE_SUBSHELL) {
        run_list(command->children);
        exit(last_status);
    }
    if (!expand_all(command->words, words))
        exit(1);
    if (!words[0] || builtin_run(words, &status))
        exit(status);
    execute(words);
}

/* Puts a process into the job's group, which its first process founds. Parent and child both do it,
 * so that it is done before either goes on. */
static void group_join(pid_t pid, pid_t group, bool foreground)
{
    if (!interactive)
        return;
    setpgid(pid, group);
    if (foreground)
        tcsetpgrp(STDIN_FILENO, group ? group : getpgid(pid));
}

/* Starts one command of a pipeline between two descriptors, which it closes. */
static pid_t pipeline_start(const struct node *command, int input, int output, int unused,
                            pid_t group)
{
    pid_t pid = fork_checked();

    if (pid == 0) {
        group_join(0, group, true);
        if (unused >= 0)
            close(unused);
        if (input != STDIN_FILENO) {
            dup2(input, STDIN_FILENO);
            close(input);
        }
        if (output != STDOUT_FILENO) {
            dup2(output, STDOUT_FILENO);
            close(output);
        }
        run_node_in_child(command);
    }
    if (pid > 0)
        group_join(pid, group ? group : pid, true);
    if (input != STDIN_FILENO)
        close(input);
    if (output != STDOUT_FILENO)
        close(output);
    return pid;
}

/* Waits for every process of the job; the last one's status counts. */
static int pipeline_wait(const pid_t *pids, int count)
{
    int result = 1, status;

    for (int i = 0; i < count; i++) {
        if (pids[i] > 0 && waitpid(pids[i], &status, 0) == pids[i])
            result = status_read(pids[i], status);
        else
            result = 1;
    }
    if (interactive)
        tcsetpgrp(STDIN_FILENO, 0);
    return result;
}

/* Each command reads from the pipe before it; the shell keeps no end of any pipe, or readers would
 * never see the end. */
static int run_processes(const struct node *pipeline)
{
    pid_t pids[COMMANDS_MAX], group = 0;
    int count = 0, input = STDIN_FILENO;
    const struct node *command = pipeline->children;

    for (; command; command = command->next) {
        int ends[2] = {-1, STDOUT_FILENO};
        if (count == COMMANDS_MAX || (command->next && pipe(ends))) {
            warnx("pipeline: no more pipes");
            if (input != STDIN_FILENO)
                close(input);
            break;
        }
        pid_t pid = pipeline_start(command, input, ends[1], ends[0], group);
        group = group ? group : pid > 0 ? pid : 0;
        pids[count++] = pid;
        input = ends[0];
    }
    int result = pipeline_wait(pids, count);
    return command ? 1 : result; /* the last one's counts, and that one has not been started */
}

/* Puts copies of the descriptors that will be redirected behind those that a redirection can name.
 * -1: this one was not open; NOT_REDIRECTED: it stays as it is. False, after a message, if there is
 * no room. */
static bool descriptors_save(const struct redirection *redirection, int copies[REDIRECTABLE])
{
    for (int fd = 0; fd < REDIRECTABLE; fd++)
        copies[fd] = NOT_REDIRECTED;
    for (; redirection; redirection = redirection->next) {
        int *copy = &copies[redirection->fd];
        if (*copy != NOT_REDIRECTED) /* by one before it */
            continue;
        *copy = fcntl(redirection->fd, F_DUPFD, REDIRECTABLE);
        if (*copy < 0 && errno != EBADF) {
            *copy = NOT_REDIRECTED;
            warn("redirection");
            return false;
        }
    }
    return true;
}

static void descriptors_restore(const int copies[REDIRECTABLE])
{
    for (int fd = 0; fd < REDIRECTABLE; fd++) {
        if (copies[fd] == -1)
            close(fd);
        if (copies[fd] < 0)
            continue;
        dup2(copies[fd], fd);
        close(copies[fd]);
    }
}

/* A command that the shell carries out itself, if it stands alone: cd in a child would be
 * pointless. Its redirections hold for as long as it runs. A command that has too many words to be
 * any program's ends here as well, so that its child does not say so once more. */
static bool run_builtin(const struct node *command, int *status)
{
    char *words[WORDS_MAX + 1];
    int copies[REDIRECTABLE];

    if (command->next || command->kind != NODE_COMMAND || !command->words[0])
        return false;
    *status = 1;
    if (!expand_all(command->words, words))
        return true;
    bool known = builtin_is(words[0]);
    if (known) {
        if (descriptors_save(command->redirections, copies) && redirect(command->redirections))
            builtin_run(words, status);
        descriptors_restore(copies);
    }
    free_expanded(command->words, words);
    return known;
}

static int run_pipeline(const struct node *pipeline)
{
    int status;
    return run_builtin(pipeline->children, &status) ? status : run_processes(pipeline);
}

/* A pipeline that is passed over leaves the status to the one after it. */
static void run_chain(const struct node *chain)
{
    for (const struct node *each = chain->children; each; each = each->next) {
        if (each->condition == RUN_ALWAYS ||
            (each->condition == RUN_AFTER_SUCCESS) == (last_status == 0))
            last_status = run_pipeline(each);
    }
}

/* A background job does not read from the console: it would take lines away from the shell. A lone
 * command is the process whose number is shown, so that it is what kill ends, and wait waits for. */
static void run_background(const struct node *chain)
{
    const struct node *pipeline = chain->children;
    pid_t pid = fork_checked();

    if (pid == 0) {
        group_join(0, 0, false);
        interactive = false;
        int null = open("/dev/null", O_RDONLY);
        if (null >= 0) {
            dup2(null, STDIN_FILENO);
            close(null);
        }
        if (!pipeline->next && !pipeline->children->next)
            run_node_in_child(pipeline->children);
        run_chain(chain);
        exit(last_status);
    }
    if (pid > 0 && interactive) {
        group_join(pid, pid, false);
        fprintf(stderr, "[%d]\n", pid);
    }
    last_status = pid < 0;
}

/* Only "&" makes a difference here; ";" and newline only separate. */
void run_list(const struct node *list)
{
    for (const struct node *chain = list->children; chain; chain = chain->next) {
        if (chain->background)
            run_background(chain);
        else
            run_chain(chain);
    }
}

/* Before each prompt, so that the news does not come in the middle of a line. */
void jobs_reap(void)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        fprintf(stderr, "[%d] ended with status %d\n", pid, status_read(pid, status));
}
