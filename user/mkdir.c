/* mkdir DIRECTORY...: makes directories. */
#include <err.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc < 2)
        errx(2, "usage: mkdir DIRECTORY...");
    for (int i = 1; i < argc; i++) {
        if (mkdir(argv[i], 0777)) {
            warn("%s", argv[i]);
            failed = 1;
        }
    }
    return failed;
}
