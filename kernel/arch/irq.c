/* The PLIC of the virt machine (SiFive layout: priorities, pending, enables and contexts) and the table of
 * handlers.
 *
 * All sources go to the boot hart. Enabled on every hart, each interrupt would wake all the idle ones, only
 * for one of them to win the claim; and the work itself is done by threads, which run anywhere.
 *
 * The PLIC gives a source to one hart at a time: it holds further interrupts of that source back until
 * completion, and QEMU's latches only rising edges. So a handler makes its device's line drop before it
 * returns. */
#include "arch/irq.h"

#include "abi/errno.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "lib/printf.h"
#include "lib/types.h"
#include "proc/sched.h"
#include "proc/spinlock.h"

#define PLIC_PRIORITY(source)        (PLIC + 4 * (source))
#define PLIC_ENABLE(context, source) (PLIC + 0x2000 + 0x80 * (context) + 4 * ((source) / 32))
#define PLIC_THRESHOLD(context)      (PLIC + 0x200000 + 0x1000 * (context))
#define PLIC_CLAIM(context)          (PLIC + 0x200004 + 0x1000 * (context))
#define SUPERVISOR_CONTEXT(hart)     (2 * (hart) + 1)

#define BOOT_HART    0
#define HANDLERS_MAX 32

struct irq_entry {
    irq_handler handler;
    void *argument;
    struct irq_entry *next; /* of the same source */
};

static struct spinlock irq_lock = SPINLOCK_INITIALIZER("irq table");
static struct irq_entry entries[HANDLERS_MAX]; /* [irq_lock] for adding */
static unsigned entry_count;                   /* [irq_lock] */
/* Entries are only added, at the front, when complete. */
static struct irq_entry *handlers[PLIC_SOURCES];
static uint64_t unexpected_count;

void irq_init(void)
{
    for (unsigned source = 1; source < PLIC_SOURCES; source++)
        mmio_write32(PLIC_PRIORITY(source), 0);
}

void irq_init_hart(void)
{
    unsigned context = SUPERVISOR_CONTEXT(this_hart()->id);
    for (unsigned source = 0; source < PLIC_SOURCES; source += 32)
        mmio_write32(PLIC_ENABLE(context, source), 0);
    mmio_write32(PLIC_THRESHOLD(context), 0);
}

int irq_register(unsigned source, irq_handler handler, void *argument)
{
    if (source == 0 || source >= PLIC_SOURCES || !handler)
        return -EINVAL;

    spinlock_acquire(&irq_lock);
    if (entry_count == HANDLERS_MAX) {
        spinlock_release(&irq_lock);
        return -ENOSPC;
    }
    struct irq_entry *entry = &entries[entry_count++];
    entry->handler = handler;
    entry->argument = argument;
    entry->next = handlers[source];
    __atomic_store_n(&handlers[source], entry, __ATOMIC_RELEASE);

    uintptr_t word = PLIC_ENABLE(SUPERVISOR_CONTEXT(BOOT_HART), source);
    mmio_write32(word, mmio_read32(word) | 1u << (source % 32));
    mmio_write32(PLIC_PRIORITY(source), 1);
    spinlock_release(&irq_lock);
    return 0;
}

void irq_dispatch(void)
{
    uintptr_t claim = PLIC_CLAIM(SUPERVISOR_CONTEXT(this_hart()->id));

    /* 0: another hart was faster, or there is none. If there is another one, this hart is interrupted again:
     * so nobody has to ask whether there is, which would be one more access to the device for each
     * interrupt. */
    uint32_t source = mmio_read32(claim);
    if (source == 0)
        return;
    struct irq_entry *entry =
        source < PLIC_SOURCES ? __atomic_load_n(&handlers[source], __ATOMIC_ACQUIRE) : NULL;
    if (!entry && unexpected_count++ == 0)
        kprintf("irq: source %u has no handler\n", source);
    for (; entry; entry = entry->next)
        entry->handler(entry->argument);
    mmio_write32(claim, source);
}
