/* getopt() (POSIX.1-2017, XSH getopt): options as single letters, in front of the operands. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *optarg;
int optind = 1, opterr = 1, optopt;

static const char *cluster; /* the rest of an argument with several letters, such as -ab */

static int complain(const char *program, const char *options, const char *problem)
{
    if (opterr && *options != ':')
        fprintf(stderr, "%s: %s -- %c\n", program, problem, optopt);
    return '?';
}

/* Finds the argument of the letter just read: the rest of the word, or the next word. */
static int take_argument(int argc, char *const argv[], const char *options)
{
    if (*cluster)
        optarg = (char *)cluster;
    else if (optind < argc)
        optarg = argv[optind++];
    else {
        complain(argv[0], options, "option needs an argument");
        return *options == ':' ? ':' : '?';
    }
    cluster = NULL;
    return optopt;
}

int getopt(int argc, char *const argv[], const char *options)
{
    if (!cluster || *cluster == 0) {
        if (optind >= argc || argv[optind][0] != '-' || argv[optind][1] == 0)
            return -1;
        cluster = argv[optind++] + 1;
        if (strcmp(cluster, "-") == 0) { /* "--" ends the options */
            cluster = NULL;
            return -1;
        }
    }
    optopt = (unsigned char)*cluster++;
    const char *known = optopt == ':' ? NULL : strchr(options, optopt);
    if (!known)
        return complain(argv[0], options, "unknown option");
    return known[1] == ':' ? take_argument(argc, argv, options) : optopt;
}
