/* init: the first program. Opens the console, configures the network, and starts the shell, again
 * and again; orphans become its children, and it reaps them.
 *
 * Its arguments are the words of the kernel's command line (QEMU's -append):
 *
 *     polled                                   the interfaces that init brings up are polled
 *     net.INTERFACE=ADDRESS/PREFIX[,GATEWAY]   goes before the lines of /etc/net.conf, which describes its form
 *     run=COMMAND...                           up to the end of the line: runs the shell command instead of
 *                                              a shell and then ends QEMU with its exit status
 */
#include "lib/netconf.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONSOLE        "/dev/console"
#define SHELL          "/bin/sh"
#define CONFIGURATION  "/etc/net.conf"
#define INTERFACES_MAX 16
#define FIRST_ETHERNET "*"

#define STATUS_SIGNAL   128 /* as in the shell: + the signal's number */
#define STATUS_NO_SHELL 127

/* What an interface is to be given. */
struct setting {
    char interface[IFNAMSIZ];
    in_addr_t address, mask, gateway; /* gateway 0: none */
};

static struct setting settings[INTERFACES_MAX];
static int setting_count;
static bool polled;

static void open_console(void)
{
    int fd = open(CONSOLE, O_RDWR);

    if (fd < 0) {
        mkdir("/dev", 0777);
        mknod(CONSOLE, S_IFCHR | 0666, DEVICE_NUMBER(DEVICE_MAJOR_CONSOLE, 1));
        fd = open(CONSOLE, O_RDWR);
    }
    /* The first file opened is descriptor 0. Without a console there is nobody to tell. */
    if (fd != STDIN_FILENO || dup(fd) != STDOUT_FILENO || dup(fd) != STDERR_FILENO)
        poweroff(STATUS_NO_SHELL);
}

/* Enters a setting, unless the interface has one: the first counts. `where` is for messages. */
static void setting_add(const char *interface, const char *prefix, const char *gateway,
                        const char *where)
{
    struct setting setting = {.mask = INADDR_BROADCAST};

    strlcpy(setting.interface, interface, sizeof setting.interface);
    if (!prefix_read(prefix, &setting.address, &setting.mask) || !strchr(prefix, '/')) {
        warnx("%s: %s: not ADDRESS/PREFIX", where, prefix);
        return;
    }
    if (gateway && inet_pton(AF_INET, gateway, &setting.gateway) != 1) {
        warnx("%s: %s: not an address", where, gateway);
        return;
    }
    for (int i = 0; i < setting_count; i++) {
        if (strcmp(settings[i].interface, setting.interface) == 0)
            return;
    }
    if (setting_count == INTERFACES_MAX)
        warnx("%s: too many interfaces", where);
    else
        settings[setting_count++] = setting;
}

/* net.INTERFACE=ADDRESS/PREFIX[,GATEWAY] */
static void read_argument(char *argument)
{
    char *interface = argument + strlen("net."), *prefix = strchr(argument, '=');

    if (!prefix) {
        warnx("%s: not net.INTERFACE=ADDRESS/PREFIX[,GATEWAY]", argument);
        return;
    }
    *prefix++ = 0;
    char *gateway = strchr(prefix, ',');
    if (gateway)
        *gateway++ = 0;
    setting_add(interface, prefix, gateway, "command line");
}

/* Reads a line without its comment. Returns how long it is, of which the buffer has what there is
 * room for; -1: the file is at its end. */
static int read_line(FILE *file, char *line, int size)
{
    int length = 0, c = fgetc(file);

    if (c == EOF)
        return -1;
    for (bool comment = false; c != EOF && c != '\n'; c = fgetc(file)) {
        comment |= c == '#';
        if (!comment && ++length < size)
            line[length - 1] = (char)c;
    }
    line[length < size ? length : size - 1] = 0;
    return length;
}

/* A wrong line is reported and passed over: one typing error must not cost the other interfaces. */
static void read_configuration(void)
{
    FILE *file = fopen(CONFIGURATION, "r");
    char line[160], where[32];

    if (!file) {
        warn(CONFIGURATION);
        return;
    }
    for (int number = 1, length; (length = read_line(file, line, sizeof line)) >= 0; number++) {
        char *interface = strtok(line, " \t"), *prefix = strtok(NULL, " \t");
        char *keyword = strtok(NULL, " \t"), *gateway = strtok(NULL, " \t");
        if (!interface)
            continue;
        snprintf(where, sizeof where, CONFIGURATION ":%d", number);
        if (length >= (int)sizeof line)
            warnx("%s: line too long", where);
        else if (!prefix || (keyword && (strcmp(keyword, "gateway") != 0 || !gateway)))
            warnx("%s: not INTERFACE ADDRESS/PREFIX [gateway ADDRESS]", where);
        else
            setting_add(interface, prefix, gateway, where);
    }
    fclose(file);
}

/* The first Ethernet interface's name; false if there is none. */
static bool first_ethernet(char *name)
{
    char names[INTERFACES_MAX][IFNAMSIZ];
    int count = interface_list(names, INTERFACES_MAX);
    struct ifreq ifr;

    for (int i = 0; i < count; i++) {
        if (interface_get(names[i], SIOCGIFHWADDR, &ifr) == 0 &&
            ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER) {
            memcpy(name, names[i], IFNAMSIZ);
            return true;
        }
    }
    return false;
}

/* Up first, since a new address is probed on the wire before it is used. */
static void configure(const struct setting *setting, const char *name)
{
    const char *prefix = prefix_text(setting->address, setting->mask);

    if (interface_change_flags(name, IFF_UP | (polled ? IFF_POLLED : 0), 0) ||
        interface_set_prefix(name, setting->address, setting->mask)) {
        warn("%s %s", name, prefix);
        return;
    }
    if (setting->gateway && route_change(SIOCADDRT, 0, 0, setting->gateway, name)) {
        warn("%s: gateway %s", name, address_text(setting->gateway));
        return;
    }
    printf("init: %s is %s%s%s\n", name, prefix, setting->gateway ? ", gateway " : "",
           setting->gateway ? address_text(setting->gateway) : "");
}

/* The first Ethernet interface is found once, before any setting changes. */
static void configure_network(void)
{
    char ethernet[IFNAMSIZ] = "";
    bool found = first_ethernet(ethernet);

    for (int i = 0; i < setting_count; i++) {
        const struct setting *setting = &settings[i];
        if (strcmp(setting->interface, FIRST_ETHERNET) != 0) {
            configure(setting, setting->interface);
            continue;
        }
        bool named = !found; /* by a line of its own */
        for (int other = 0; other < setting_count; other++)
            named |= strcmp(settings[other].interface, ethernet) == 0;
        if (!named)
            configure(setting, ethernet);
    }
}

/* The system cannot go on without init, so where memory or processes are used up it waits until
 * somebody gives something back. */
static pid_t fork_patiently(void)
{
    pid_t pid;

    while ((pid = fork()) < 0) {
        warn("fork");
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        sleep(1);
    }
    return pid;
}

/* Starts the shell, with a command or, if that is NULL, for the console. Without a shell there is nothing to
 * do; only its exit status would not tell that from a command that a shell has not found. */
static pid_t shell_start(char *command)
{
    char *argv[] = {"sh", command ? "-c" : NULL, command, NULL};
    pid_t pid = fork_patiently();

    if (pid > 0)
        return pid;
    if (command) { /* a job that ^C may end; a shell for the console manages that by itself */
        setpgid(0, 0);
        tcsetpgrp(STDIN_FILENO, getpid());
    }
    execv(SHELL, argv);
    bool no_memory = errno == ENOMEM;
    warn(SHELL);
    if (!no_memory || command)
        poweroff(STATUS_NO_SHELL);
    sleep(1); /* for the next try */
    _exit(1);
}

/* Waits for this child and reaps all others that end meanwhile. Its exit status. */
static int child_wait(pid_t pid)
{
    int status;

    for (;;) {
        pid_t ended = wait(&status);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_SIGNAL + WTERMSIG(status);
        if (ended < 0 && errno != EINTR)
            err(1, "wait");
    }
}

int main(int argc, char **argv)
{
    char *command = NULL;

    open_console();
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "run=", 4) == 0)
            command = argv[i] + 4;
        else if (strncmp(argv[i], "net.", 4) == 0)
            read_argument(argv[i]);
        else if (strcmp(argv[i], "polled") == 0)
            polled = true;
        else
            warnx("%s: unknown word on the kernel's command line", argv[i]);
    }
    read_configuration();
    configure_network();

    int status;
    do {
        status = child_wait(shell_start(command));
        tcsetpgrp(STDIN_FILENO, 0);
    } while (!command);
    poweroff(status);
    err(1, "poweroff");
}
