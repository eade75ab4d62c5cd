/* ln FILE NAME: gives a file another name. */
#include <err.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(2, "usage: ln FILE NAME");
    if (link(argv[1], argv[2]))
        err(1, "%s to %s", argv[2], argv[1]);
    return 0;
}
