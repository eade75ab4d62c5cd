/* cat [FILE]...: copies files, or standard input, to standard output. "-" is standard input. */
#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int copy(int fd, const char *name)
{
    static char buffer[4096];
    ssize_t n;

    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t written = 0, more; written < n; written += more) {
            more = write(STDOUT_FILENO, buffer + written, (size_t)(n - written));
            if (more < 0)
                err(1, "write");
        }
    }
    if (n < 0)
        warn("%s", name);
    return n < 0;
}

static int copy_file(const char *name)
{
    if (strcmp(name, "-") == 0)
        return copy(STDIN_FILENO, "standard input");

    int fd = open(name, O_RDONLY);
    if (fd < 0) {
        warn("%s", name);
        return 1;
    }
    int failed = copy(fd, name);
    close(fd);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = argc == 1 ? copy_file("-") : 0;

    for (int i = 1; i < argc; i++)
        failed |= copy_file(argv[i]);
    return failed;
}
