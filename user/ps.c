/* ps: lists processes and kernel threads (their names in brackets). */
#include "lib/output.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sysinfo.h>

static const char *state_name(int state)
{
    static const char *const names[] = {
        [PROCESS_UNUSED] = "unused",   [PROCESS_NEW] = "new",         [PROCESS_RUNNABLE] = "ready",
        [PROCESS_RUNNING] = "running", [PROCESS_SLEEPING] = "asleep", [PROCESS_ZOMBIE] = "zombie",
    };
    return state >= 0 && state <= PROCESS_ZOMBIE ? names[state] : "?";
}

static void show(const struct procinfo *p)
{
    printf("%5d %6d %5d %-7s %4d %7luK %6lu.%03lu %8lu %s%s%s\n", p->pid, p->parent, p->group,
           state_name(p->state), p->hart, p->memory_bytes / 1024, p->run_ns / 1000000000,
           p->run_ns / 1000000 % 1000, p->switches, p->kernel_thread ? "[" : "", p->name,
           p->kernel_thread ? "]" : "");
}

int main(void)
{
    struct sysinfo system;
    struct procinfo process;

    if (sysinfo(&system))
        err(1, "sysinfo");
    puts("  PID PARENT GROUP STATE   HART   MEMORY   TIME [s] SWITCHES NAME");
    for (unsigned i = 0; procinfo(i, &process) == 0; i++) {
        if (process.pid)
            show(&process);
    }
    if (errno != ESRCH)
        err(1, "procinfo");
    printf("up %lu.%03lu s, %u harts, memory %lu of %lu KiB free, %u open files\n",
           system.uptime_ns / 1000000000, system.uptime_ns / 1000000 % 1000, system.harts,
           system.free_pages * system.page_size / 1024,
           system.total_pages * system.page_size / 1024, system.open_files);
    return output_status(0, 1);
}
