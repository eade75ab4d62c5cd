/* Traps: what is saved of an interrupted program, and the way back to user mode.
 *
 * sscratch tells where a trap came from: 0 while a hart is in the kernel, the address of the thread's
 * trapframe while it is in user mode. The trapframe of a user program lies at the top of its kernel stack;
 * that of a trap taken inside the kernel is pushed on the stack that is in use.
 */
#ifndef ARCH_TRAP_H
#define ARCH_TRAP_H

#include "lib/types.h"

struct hart;

/* trapvec.S knows this layout: the hart, then x1..x31 at 8 * n, then sepc and sstatus. In the frame of a
 * trap inside the kernel there are only those registers that a function call does not preserve; sstatus is
 * only there. */
struct trapframe {
    struct hart *hart; /* goes into tp when the kernel is entered from user mode */
    uint64_t ra, sp, gp, tp;
    uint64_t t0, t1, t2;
    uint64_t s0, s1;
    uint64_t a[8];
    uint64_t s2_to_s11[10];
    uint64_t t3_to_t6[4];
    uint64_t sepc;
    uint64_t sstatus;
};
_Static_assert(sizeof(struct trapframe) == 34 * 8, "trapvec.S counts on this size");

/* Sets a frame up so that user mode begins at `entry` with this stack pointer. All other registers are 0. */
void trap_frame_prepare(struct trapframe *frame, uintptr_t entry, uintptr_t stack);

void trap_init_hart(void);

/* Leaves the kernel for the current process's user mode, with all the registers of its frame. (From a system
 * call that returns, the callee-saved ones come back as in any return.) */
void trap_return(void) __attribute__((noreturn));

/* With interrupts off: serves those that are pending, without a trap. For the idle loop. */
void interrupts_serve(void);

/* Sends other harts a software interrupt, so that they look at their run queue and their address space. */
void ipi_send(unsigned hart);

/* Ends QEMU with this exit code (0..255) through the test-finisher device. */
void machine_poweroff(int code) __attribute__((noreturn));

#endif
