/* Which address space each hart translates with.
 *
 * A hart keeps a process's space loaded while it idles or runs threads of the kernel, since that process is
 * likely to be the next, and QEMU forgets all translations at every change. So whoever frees a space first
 * has the other harts leave it; `harts_loaded` in the space says which. */
#include "arch/trap.h"
#include "mm/vm.h"
#include "proc/sched.h"

static void space_activate(struct hart *hart, struct vm_space *space)
{
    vm_activate(space);
    hart->slices = 0;
}

void sched_load_space(struct vm_space *space, bool stale)
{
    struct hart *hart = this_hart();
    struct vm_space *old = hart->space;
    uint32_t bit = 1u << hart->id;

    if (old == space) {
        if (stale)
            space_activate(hart, space);
        return;
    }
    if (space)
        __atomic_fetch_or(&space->harts_loaded, bit, __ATOMIC_RELAXED);
    space_activate(hart, space);
    hart->space = space;
    if (old) /* from here on the old table may be freed */
        __atomic_fetch_and(&old->harts_loaded, ~bit, __ATOMIC_RELEASE);
}

/* A space that is loaded but is not the current thread's can be left at any time. Interrupts off. */
static void space_leave_unused(struct hart *hart)
{
    if (hart->space && (!hart->head.current || hart->head.current->space != hart->space))
        sched_load_space(NULL, false);
}

/* A signal that only says that there is work leaves the space loaded: most likely it is needed at once. */
void sched_ipi(void)
{
    struct hart *hart = this_hart();
    if (READ_ONCE(hart->leave_space)) {
        WRITE_ONCE(hart->leave_space, false);
        space_leave_unused(hart);
    }
}

void sched_retire_space(struct vm_space *space)
{
    interrupts_disable();
    space_leave_unused(this_hart());
    interrupts_restore();

    /* Interrupts are on in between, so that two harts may wait for each other. */
    uint32_t loaded;
    while ((loaded = __atomic_load_n(&space->harts_loaded, __ATOMIC_ACQUIRE)))
        for (unsigned n = 0; n < HART_MAX; n++)
            if (loaded & 1u << n) {
                WRITE_ONCE(harts[n].leave_space, true);
                ipi_send(n);
            }
    vm_space_destroy(space);
}
