/* poweroff [CODE]: ends the machine; QEMU exits with CODE (0..255, 0 if not given). */
#include <err.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

int main(int argc, char **argv)
{
    char *end = "";
    long code = argc > 1 ? strtol(argv[1], &end, 10) : 0;

    if (argc > 2 || (argc == 2 && end == argv[1]) || *end || code < 0 || code > 255)
        errx(2, "usage: poweroff [CODE]");
    poweroff((int)code);
    err(1, "poweroff");
}
