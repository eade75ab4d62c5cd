/* grep [-civn] PATTERN [FILE]...: prints the lines that match.
 *
 * A pattern is made of characters, . (any character), each possibly followed by *, and of ^ at its
 * start and $ at its end; a backslash takes away the next character's meaning. -c counts, -i
 * ignores case, -v inverts, -n numbers. Exit status: 0 something matched, 1 nothing did, 2 an
 * error.
 */
#include "lib/output.h"

#include <ctype.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool count_only, ignore_case, inverted, numbered;

/* One element of the pattern: its characters (1, or 2 with a backslash), and whether * follows. */
static size_t element_length(const char *pattern)
{
    return pattern[0] == '\\' && pattern[1] ? 2 : 1;
}

static bool element_matches(const char *pattern, char c)
{
    if (c == 0 || (pattern[0] == '.' && element_length(pattern) == 1))
        return c != 0;
    char wanted = pattern[element_length(pattern) - 1];
    return ignore_case ? tolower((unsigned char)wanted) == tolower((unsigned char)c) : wanted == c;
}

/* Whether the text begins with something that matches. The recursion is as deep as the pattern is
 * long: repetitions are counted first, then tried from the longest down. */
static bool matches_here(const char *pattern, const char *text)
{
    while (*pattern) {
        if (strcmp(pattern, "$") == 0)
            return *text == 0;
        size_t length = element_length(pattern);
        if (pattern[length] == '*') {
            size_t n = 0;
            while (element_matches(pattern, text[n]))
                n++;
            while (!matches_here(pattern + length + 1, text + n)) {
                if (n-- == 0)
                    return false;
            }
            return true;
        }
        if (!element_matches(pattern, *text))
            return false;
        pattern += length;
        text++;
    }
    return true;
}

static bool line_matches(const char *pattern, const char *line)
{
    if (*pattern == '^')
        return matches_here(pattern + 1, line);
    do {
        if (matches_here(pattern, line))
            return true;
    } while (*line++);
    return false;
}

/* Whether something could not be read. */
static bool failed;

/* `prefix` is the file's name if several are searched, else NULL. Returns how many lines were
 * selected. */
static long search(FILE *file, const char *name, const char *pattern, const char *prefix)
{
    static char line[4096]; /* a longer line is searched in pieces */
    long number = 0, selected = 0;

    while (fgets(line, sizeof line, file)) {
        number++;
        line[strcspn(line, "\n")] = 0;
        if (line_matches(pattern, line) == inverted)
            continue;
        selected++;
        if (count_only)
            continue;
        char position[32] = "";
        if (numbered)
            snprintf(position, sizeof position, "%ld:", number);
        printf("%s%s%s%s\n", prefix ? prefix : "", prefix ? ":" : "", position, line);
    }
    if (ferror(file)) {
        warn("%s", name);
        failed = true;
    }
    if (count_only)
        printf("%s%s%ld\n", prefix ? prefix : "", prefix ? ":" : "", selected);
    return selected;
}

static void read_options(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "civn")) != -1;) {
        count_only |= option == 'c';
        ignore_case |= option == 'i';
        inverted |= option == 'v';
        numbered |= option == 'n';
        if (option == '?')
            errx(2, "usage: grep [-civn] PATTERN [FILE]...");
    }
    if (optind == argc)
        errx(2, "usage: grep [-civn] PATTERN [FILE]...");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    const char *pattern = argv[optind++];
    bool several = argc - optind > 1;
    long selected = optind == argc ? search(stdin, "standard input", pattern, NULL) : 0;

    for (int i = optind; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        if (file) {
            selected += search(file, argv[i], pattern, several ? argv[i] : NULL);
            fclose(file);
        } else {
            warn("%s", argv[i]);
            failed = true;
        }
    }
    return output_status(failed ? 2 : selected == 0, 2);
}
