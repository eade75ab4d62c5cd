/* poweroff [CODE]: ends the machine; QEMU exits with CODE (0..255, 0 if not given). */
#include <err.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

int main(int argc, char **argv)
{
    const char *wrong = NULL;
    int code = argc > 1 ? (int)strtonum(argv[1], 0, 255, &wrong) : 0;

    if (argc > 2 || wrong)
        errx(2, "usage: poweroff [CODE]");
    poweroff(code);
    err(1, "poweroff");
}
