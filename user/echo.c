/* echo [-n] [WORD]...: prints its arguments; -n leaves the newline out. */
#include "lib/output.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "-n") == 0 ? 2 : 1;

    for (int i = first; i < argc; i++) {
        fputs(argv[i], stdout);
        if (i + 1 < argc)
            putchar(' ');
    }
    if (first == 1)
        putchar('\n');
    return output_status(0, 1);
}
