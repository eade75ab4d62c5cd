/* The shell's tokens. Quotes and backslashes are resolved here, except that $? leaves a mark. */
#include "sh.h"

#include <ctype.h>
#include <err.h>
#include <string.h>

static struct token tokens[TOKENS_MAX];
static size_t token_count;
static char text[2 * LINE_MAX]; /* every word with its closing 0 */
static size_t text_used;

static const struct {
    const char *spelling; /* longer ones before those they begin with */
    enum token_kind kind;
    int fd;
} operators[] = {
    {"&&", TOKEN_AND, 0},       {"||", TOKEN_OR, 0},        {">>", TOKEN_APPEND, 1},
    {">&", TOKEN_DUPLICATE, 1}, {"<&", TOKEN_DUPLICATE, 0}, {"\n", TOKEN_SEMICOLON, 0},
    {";", TOKEN_SEMICOLON, 0},  {"&", TOKEN_BACKGROUND, 0}, {"|", TOKEN_PIPE, 0},
    {"(", TOKEN_OPEN, 0},       {")", TOKEN_CLOSE, 0},      {"<", TOKEN_INPUT, 0},
    {">", TOKEN_OUTPUT, 1},
};

static bool token_add(enum token_kind kind, int fd, char *spelling)
{
    if (token_count == TOKENS_MAX) {
        warnx("line has too many words");
        return false;
    }
    tokens[token_count++] = (struct token){.kind = kind, .fd = fd, .text = spelling};
    return true;
}

/* Reads an operator, with a descriptor's digit in front of a redirection. Returns its length; 0:
 * there is none; -1: no room. */
static int operator_read(const char *line)
{
    bool numbered = isdigit((unsigned char)line[0]) && (line[1] == '<' || line[1] == '>');

    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        size_t length = strlen(operators[i].spelling);
        if (strncmp(line + numbered, operators[i].spelling, length) != 0)
            continue;
        int fd = numbered ? line[0] - '0' : operators[i].fd;
        const char *shown = *operators[i].spelling == '\n' ? "newline" : operators[i].spelling;
        return token_add(operators[i].kind, fd, (char *)shown) ? (int)length + numbered : -1;
    }
    return 0;
}

/* There is always room: no character takes more than two, and what ends a word, or the line, makes
 * up for its closing 0. */
static void text_put(char c) { text[text_used++] = c; }

/* Copies one character, or $?, from *line; what a backslash does depends on the quotes around it.
 */
static void character_read(const char **line, char quote)
{
    const char *s = *line;

    if (quote != '\'' && s[0] == '$' && s[1] == '?') {
        text_put(STATUS_MARK);
        text_put('?');
        *line += 2;
        return;
    }
    bool escape = s[0] == '\\' && s[1] && (quote == 0 || (quote == '"' && strchr("\"\\$", s[1])));
    char c = escape ? s[1] : s[0];
    text_put(c);
    if (c == STATUS_MARK)
        text_put(c);
    *line += escape ? 2 : 1;
}

/* Reads a word. Returns its length in the line, -1 after a message. */
static int word_read(const char *line)
{
    const char *s = line;
    char quote = 0, *word = text + text_used;

    for (; *s && (quote || !strchr(" \t\n;&|()<>", *s));) {
        if (quote == 0 && (*s == '\'' || *s == '"'))
            quote = *s++;
        else if (quote && *s == quote) {
            quote = 0;
            s++;
        } else
            character_read(&s, quote);
    }
    text_put(0);
    if (quote) {
        warnx("syntax error: %c is not closed", quote);
        return -1;
    }
    return token_add(TOKEN_WORD, 0, word) ? (int)(s - line) : -1;
}

struct token *tokens_make(const char *line)
{
    token_count = text_used = 0;
    while (*line) {
        int length = 1;
        if (*line == '#') /* here a word would begin, so this is a comment */
            length = (int)strcspn(line, "\n");
        else if (*line != ' ' && *line != '\t') {
            length = operator_read(line);
            if (length == 0)
                length = word_read(line);
        }
        if (length < 0)
            return NULL;
        line += length;
    }
    return token_add(TOKEN_END, 0, "end of line") ? tokens : NULL;
}
