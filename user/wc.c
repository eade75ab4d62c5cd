/* wc [-lwc] [FILE]...: counts lines, words and bytes. */
#include "lib/output.h"

#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counts {
    long lines, words, bytes;
};

static bool show_lines, show_words, show_bytes;

/* A word ends at a blank or at the end of the input. */
static int count(int fd, const char *name, struct counts *counts)
{
    static char buffer[4096];
    bool in_word = false;
    ssize_t n;

    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        counts->bytes += n;
        for (ssize_t i = 0; i < n; i++) {
            bool space = isspace((unsigned char)buffer[i]);
            counts->lines += buffer[i] == '\n';
            counts->words += in_word && space;
            in_word = !space;
        }
    }
    counts->words += in_word;
    if (n < 0)
        warn("%s", name);
    return n < 0;
}

static void print(const struct counts *counts, const char *name)
{
    if (show_lines)
        printf("%7ld ", counts->lines);
    if (show_words)
        printf("%7ld ", counts->words);
    if (show_bytes)
        printf("%7ld ", counts->bytes);
    printf("%s\n", name);
}

static int count_file(const char *name, struct counts *total)
{
    struct counts counts = {0};
    int fd = open(name, O_RDONLY);

    if (fd < 0) {
        warn("%s", name);
        return 1;
    }
    int failed = count(fd, name, &counts);
    close(fd);
    print(&counts, name);
    total->lines += counts.lines;
    total->words += counts.words;
    total->bytes += counts.bytes;
    return failed;
}

int main(int argc, char **argv)
{
    struct counts total = {0};
    int failed = 0;

    for (int option; (option = getopt(argc, argv, "lwc")) != -1;) {
        show_lines |= option == 'l';
        show_words |= option == 'w';
        show_bytes |= option == 'c';
        if (option == '?')
            errx(2, "usage: wc [-lwc] [FILE]...");
    }
    if (!show_lines && !show_words && !show_bytes)
        show_lines = show_words = show_bytes = true;

    if (optind == argc) {
        failed = count(STDIN_FILENO, "standard input", &total);
        print(&total, "");
        return output_status(failed, 1);
    }
    for (int i = optind; i < argc; i++)
        failed |= count_file(argv[i], &total);
    if (argc - optind > 1)
        print(&total, "total");
    return output_status(failed, 1);
}
