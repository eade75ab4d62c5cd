/* The shell: what its parts have in common.
 *
 * A line becomes a list of tokens (tokens.c), these become a tree (parse.c), and the tree is run
 * (run.c):
 *
 *     list      chain { (";" | "&" | newline) chain } [";" | "&"]
 *     chain     pipeline { ("&&" | "||") pipeline }
 *     pipeline  command { "|" command }
 *     command   { word | redirection }  |  "(" list ")" { redirection }
 *
 * Everything a line needs lies in tables of fixed size that the next line uses again.
 */
#ifndef USER_SH_H
#define USER_SH_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX   4096
#define TOKENS_MAX 1024
/* Stands in a word where $? stood, with the ? behind it; replaced when the command runs. Twice it
 * is itself. */
#define STATUS_MARK '\1'

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_SEMICOLON, /* or newline */
    TOKEN_BACKGROUND,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_PIPE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_INPUT,     /* [n]< */
    TOKEN_OUTPUT,    /* [n]> */
    TOKEN_APPEND,    /* [n]>> */
    TOKEN_DUPLICATE, /* [n]>& or [n]<& */
};

struct token {
    enum token_kind kind;
    int fd;     /* redirections: the n in front, or the usual one */
    char *text; /* words; operators: for error messages */
};

/* Divides the line into tokens, the last one TOKEN_END. NULL, after a message, if the line is
 * wrong. The result is valid until the next call. */
struct token *tokens_make(const char *line);

enum node_kind { NODE_LIST, NODE_CHAIN, NODE_PIPELINE, NODE_COMMAND, NODE_SUBSHELL };
enum condition { RUN_ALWAYS, RUN_AFTER_SUCCESS, RUN_AFTER_FAILURE };

struct redirection {
    enum token_kind kind;
    int fd;
    char *target; /* a path, or the number of a descriptor */
    struct redirection *next;
};

struct node {
    enum node_kind kind;
    struct node *next;                /* the following one under the same parent */
    struct node *children;            /* all but commands */
    bool background;                  /* chains */
    enum condition condition;         /* pipelines */
    char **words;                     /* commands: NULL behind the last one */
    struct redirection *redirections; /* commands and subshells */
};

/* Makes the tree of a line. NULL, after a message, if the line is wrong; an empty line is a list
 * without children. Valid until the next call. */
struct node *parse(const char *line);

extern bool interactive; /* reading from the console: jobs get process groups of their own */
extern int last_status;  /* $? */
extern int script_fd;    /* commands come from here; programs do not inherit it. -1: none */

void run_list(const struct node *list);
void jobs_reap(void); /* takes note of background jobs that have ended */

/* Runs a command that the shell itself carries out: true, and its status, if it is one. */
bool builtin_run(char **words, int *status);
bool builtin_is(const char *name);

#endif
