/* kill [-SIGNAL] PID...: ends processes. SIGNAL is a number or a name (INT, KILL, TERM...); -0 only
 * asks whether the process exists. A negative PID is a process group; put -- in front of it. */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"INT", SIGINT},   {"ILL", SIGILL},   {"TRAP", SIGTRAP}, {"BUS", SIGBUS},
    {"KILL", SIGKILL}, {"SEGV", SIGSEGV}, {"PIPE", SIGPIPE}, {"TERM", SIGTERM},
};

static int signal_read(const char *text)
{
    const char *wrong;
    int number = (int)strtonum(text, 0, SIGNAL_LIMIT - 1, &wrong);

    if (!wrong)
        return number;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (strcasecmp(text, signals[i].name) == 0)
            return signals[i].number;
    }
    errx(2, "%s: unknown signal", text);
}

int main(int argc, char **argv)
{
    int signal = SIGTERM, first = 1, failed = 0;

    if (argc > 1 && argv[1][0] == '-' && strcmp(argv[1], "--") != 0)
        signal = signal_read(argv[first++] + 1);
    if (first < argc && strcmp(argv[first], "--") == 0)
        first++;
    if (first >= argc)
        errx(2, "usage: kill [-SIGNAL] PID...");

    for (int i = first; i < argc; i++) {
        const char *wrong;
        pid_t pid = (pid_t)strtonum(argv[i], INT_MIN, INT_MAX, &wrong);
        if (wrong) {
            warnx("%s: not a process id", argv[i]);
            failed = 1;
        } else if (kill(pid, signal)) {
            warn("%s", argv[i]);
            failed = 1;
        }
    }
    return failed;
}
