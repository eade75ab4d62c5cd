/* The shell's parser: one function for each rule of the grammar in sh.h. Each returns NULL after an
 * error, whose message the first to see it has printed. */
#include "sh.h"

#include <err.h>

/* No line has more of these than it has tokens. */
static struct node nodes[4 * TOKENS_MAX];
static struct redirection redirections[TOKENS_MAX];
static char *words[2 * TOKENS_MAX];
static size_t node_count, redirection_count, word_count;

#define NESTING_MAX 16

static const struct token *next_token;
static int nesting;

static struct node *parse_list(void);

static struct node *node_make(enum node_kind kind)
{
    struct node *node = &nodes[node_count++];
    *node = (struct node){.kind = kind};
    return node;
}

/* Passes over the next token if it is of this kind. */
static bool take(enum token_kind kind)
{
    if (next_token->kind != kind)
        return false;
    next_token++;
    return true;
}

/* Always NULL, for the caller to return. */
static void *unexpected(void)
{
    warnx("syntax error near \"%s\"", next_token->text);
    return NULL;
}

static bool at_redirection(void) { return next_token->kind >= TOKEN_INPUT; }

/* Appends the redirection at the next token to the list that *end ends; returns the new end. */
static struct redirection **parse_redirection(struct redirection **end)
{
    const struct token *operator= next_token++;

    if (next_token->kind != TOKEN_WORD)
        return unexpected();
    struct redirection *redirection = &redirections[redirection_count++];
    *redirection = (struct redirection){
        .kind = operator->kind, .fd = operator->fd, .target = next_token++->text};
    *end = redirection;
    return &redirection->next;
}

/* Behind the opening parenthesis. An empty list in parentheses is an error, on a line it is not. */
static struct node *parse_subshell(void)
{
    struct node *node = node_make(NODE_SUBSHELL);
    struct redirection **end = &node->redirections;

    if (++nesting > NESTING_MAX) {
        warnx("too many parentheses inside each other");
        return NULL;
    }
    node->children = parse_list();
    nesting--;
    if (!node->children)
        return NULL;
    if (!node->children->children || !take(TOKEN_CLOSE))
        return unexpected();
    while (at_redirection()) {
        if (!(end = parse_redirection(end)))
            return NULL;
    }
    return node;
}

/* Words and redirections may stand in any order. */
static struct node *parse_command(void)
{
    if (take(TOKEN_OPEN))
        return parse_subshell();
    if (next_token->kind != TOKEN_WORD && !at_redirection())
        return unexpected();

    struct node *node = node_make(NODE_COMMAND);
    struct redirection **end = &node->redirections;
    node->words = &words[word_count];
    for (;;) {
        if (next_token->kind == TOKEN_WORD)
            words[word_count++] = next_token++->text;
        else if (!at_redirection())
            break;
        else if (!(end = parse_redirection(end)))
            return NULL;
    }
    words[word_count++] = NULL;
    return node;
}

static struct node *parse_pipeline(enum condition condition)
{
    struct node *pipeline = node_make(NODE_PIPELINE), **end = &pipeline->children;

    pipeline->condition = condition;
    do {
        struct node *command = parse_command();
        if (!command)
            return NULL;
        *end = command;
        end = &command->next;
    } while (take(TOKEN_PIPE));
    return pipeline;
}

/* && and || bind equally and from the left, so each pipeline only notes the operator in front. */
static struct node *parse_chain(void)
{
    struct node *chain = node_make(NODE_CHAIN), **end = &chain->children;
    enum condition condition = RUN_ALWAYS;

    for (;;) {
        struct node *pipeline = parse_pipeline(condition);
        if (!pipeline)
            return NULL;
        *end = pipeline;
        end = &pipeline->next;
        if (take(TOKEN_AND))
            condition = RUN_AFTER_SUCCESS;
        else if (take(TOKEN_OR))
            condition = RUN_AFTER_FAILURE;
        else
            return chain;
    }
}

/* Ends in front of a token that cannot go on a list; the caller knows whether that one is right. */
static struct node *parse_list(void)
{
    struct node *list = node_make(NODE_LIST), **end = &list->children;

    for (;;) {
        while (take(TOKEN_SEMICOLON))
            continue;
        if (next_token->kind == TOKEN_END || next_token->kind == TOKEN_CLOSE)
            return list;
        struct node *chain = parse_chain();
        if (!chain)
            return NULL;
        *end = chain;
        end = &chain->next;
        chain->background = take(TOKEN_BACKGROUND);
        if (!chain->background && !take(TOKEN_SEMICOLON))
            return list;
    }
}

/* What is left over, such as a parenthesis too many, is an error as well. */
struct node *parse(const char *line)
{
    node_count = redirection_count = word_count = 0;
    nesting = 0;
    next_token = tokens_make(line);
    if (!next_token)
        return NULL;
    struct node *list = parse_list();
    if (list && next_token->kind != TOKEN_END)
        return unexpected();
    return list;
}
