/* What happens on a trap: interrupts are dispatched, system calls carried out, user faults end the process
 * that caused them, and kernel faults are bugs. */
#include "arch/trap.h"

#include "arch/irq.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "arch/riscv.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/vm.h"
#include "proc/kthread.h"
#include "proc/sched.h"
#include "sys/sys.h"

void trap_vector(void);
void trap_exit_with(struct trapframe *frame) __attribute__((noreturn));

/* Called from trapvec.S. */
void trap_from_user(struct trapframe *frame);
void trap_from_kernel(struct trapframe *frame);
void trap_stack_overflow(uintptr_t pc, uintptr_t sp) __attribute__((noreturn));

struct fault_kind {
    const char *name;
    int signal;
};

static const struct fault_kind fault_kinds[] = {
    [CAUSE_FETCH_MISALIGNED] = {"misaligned jump", SIGBUS},
    [CAUSE_FETCH_ACCESS] = {"jump to where there is no memory", SIGBUS},
    [CAUSE_ILLEGAL] = {"illegal instruction", SIGILL},
    [CAUSE_BREAKPOINT] = {"breakpoint", SIGTRAP},
    [CAUSE_LOAD_MISALIGNED] = {"misaligned load", SIGBUS},
    [CAUSE_LOAD_ACCESS] = {"load from where there is no memory", SIGBUS},
    [CAUSE_STORE_MISALIGNED] = {"misaligned store", SIGBUS},
    [CAUSE_STORE_ACCESS] = {"store to where there is no memory", SIGBUS},
    [CAUSE_FETCH_PAGE] = {"jump to an address it may not execute", SIGSEGV},
    [CAUSE_LOAD_PAGE] = {"load from an address it may not read", SIGSEGV},
    [CAUSE_STORE_PAGE] = {"store to an address it may not write", SIGSEGV},
};

void trap_init_hart(void)
{
    CSR_WRITE(sscratch, 0);
    CSR_WRITE(stvec, (uintptr_t)trap_vector);
    CSR_SET(sie, SIE_SSIE | SIE_STIE | SIE_SEIE);
}

void trap_frame_prepare(struct trapframe *frame, uintptr_t entry, uintptr_t stack)
{
    memset(frame, 0, sizeof *frame);
    frame->sepc = entry;
    frame->sp = stack;
}

static void software_interrupt(void)
{
    CSR_CLEAR(sip, SIP_SSIP);
    sched_ipi();
}

static void interrupt_dispatch(uint64_t cause)
{
    switch (cause & ~SCAUSE_INTERRUPT) {
    case IRQ_S_EXTERNAL:
        irq_dispatch();
        break;
    case IRQ_S_TIMER:
        sched_tick();
        break;
    case IRQ_S_SOFTWARE:
        software_interrupt();
        break;
    default:
        panic("unknown interrupt, scause %#lx", cause);
    }
}

void interrupts_serve(void)
{
    uint64_t pending = CSR_READ(sip); /* each kind is enabled all the time */
    if (pending & SIE_SEIE)
        irq_dispatch();
    if (pending & SIE_STIE)
        sched_tick();
    if (pending & SIE_SSIE)
        software_interrupt();
}

static void user_fault(struct trapframe *frame, uint64_t cause)
{
    struct proc *p = current_proc();
    const struct fault_kind *kind = &fault_kinds[CAUSE_ILLEGAL];
    if (cause < ARRAY_SIZE(fault_kinds) && fault_kinds[cause].name)
        kind = &fault_kinds[cause];
    kprintf("%s[%d]: %s: address %#lx, pc %#lx; ended by signal %d\n", p->name, p->pid, kind->name,
            CSR_READ(stval), frame->sepc, kind->signal);
    p->killed = kind->signal;
}

/* Before the current process enters user mode: it ends if it has been killed, and others go first if its
 * time is up. Interrupts are on for that; whoever returns to trapvec.S may leave them so. */
static void leave_kernel(struct proc *p)
{
    if (READ_ONCE(p->killed)) {
        interrupts_on();
        process_exit(p->killed);
    }
    if (sched_should_yield()) {
        interrupts_on();
        thread_yield();
    }
}

void trap_from_user(struct trapframe *frame)
{
    uint64_t cause = CSR_READ(scause);

    if (cause & SCAUSE_INTERRUPT) {
        interrupt_dispatch(cause);
    } else if (cause == CAUSE_ECALL_U) {
        frame->sepc += 4;
        interrupts_on();
        syscall_dispatch();
    } else {
        user_fault(frame, cause);
    }

    leave_kernel(current_proc());
}

void trap_return(void)
{
    struct proc *p = current_proc();
    leave_kernel(p);
    trap_exit_with(p->frame);
}

void trap_from_kernel(struct trapframe *frame)
{
    uint64_t cause = CSR_READ(scause);

    if (!(cause & SCAUSE_INTERRUPT))
        panic("kernel fault: scause %lu, address %#lx, pc %#lx, ra %#lx, sp %#lx, hart %u", cause,
              CSR_READ(stval), frame->sepc, frame->ra, frame->sp, this_hart()->id);
    struct hart_head *hart = hart_head();
    if (hart->interrupts_off_depth > 0) {
        /* Not now. The interrupt stays pending, and its thread goes on without interrupts until it lets them
         * in. */
        hart->interrupt_held = true;
        frame->sstatus &= ~SSTATUS_SPIE;
        return;
    }
    interrupt_dispatch(cause);
    /* No spinlock is held, so the thread may lose the hart here. Interrupts come on with the next thread: if
     * they did before, each that is pending would put one more frame on this stack, without an end. The way
     * out of the trap needs them off. */
    if (hart->current && sched_should_yield()) {
        hart->interrupt_held = true;
        thread_yield();
        interrupts_off();
    }
}

void trap_stack_overflow(uintptr_t pc, uintptr_t sp)
{
    panic("kernel stack overflow: pc %#lx, sp %#lx", pc, sp);
}

void ipi_send(unsigned hart) { mmio_write32(CLINT_MSIP(hart), 1); }

void machine_poweroff(int code)
{
    /* sifive_test: 0x5555 ends with 0, (code << 16) | 0x3333 with the code. */
    code &= 0xff;
    mmio_write32(TEST_FINISHER, code ? ((uint32_t)code << 16) | 0x3333 : 0x5555);
    for (;;)
        wait_for_interrupt();
}
