# The only way into the kernel and out of it: one vector for user programs and for the kernel itself.
# Layout of a frame: struct trapframe in trap.h. Rules of sscratch: trap.h.

#define FRAME_SIZE 272
#define FRAME_HART 0
#define FRAME_X(n) (8 * (n))
#define FRAME_SEPC 256
#define FRAME_SSTATUS 264
#define STACK_SIZE_SHIFT 13             /* KSTACK_SIZE; this bit of sp is 0 in a stack's guard */

#define SSTATUS_SPIE 0x20

# What a C function may change; and what it leaves as it was, which needs saving only for whoever looks at the frame.
#define CALLER_SAVED 1,5,6,7,10,11,12,13,14,15,16,17,28,29,30,31
#define CALLEE_SAVED 8,9,18,19,20,21,22,23,24,25,26,27

.macro save registers:vararg
    .irp n, \registers
    sd x\n, FRAME_X(\n)(sp)
    .endr
.endm

.macro restore registers:vararg
    .irp n, \registers
    ld x\n, FRAME_X(\n)(sp)
    .endr
.endm

    .section .text
    .align 4
    .globl trap_vector
trap_vector:
    csrrw sp, sscratch, sp
    bnez sp, from_user

from_kernel:
    csrrw sp, sscratch, sp              # sp is back, sscratch is 0 again
    addi sp, sp, -FRAME_SIZE

    # A stack that has run into its guard cannot take the frame: that would fault here for ever.
    csrw sscratch, t0
    srli t0, sp, STACK_SIZE_SHIFT
    andi t0, t0, 1
    beqz t0, stack_overflow
    csrr t0, sscratch
    csrw sscratch, zero

    save CALLER_SAVED
    csrr t0, sepc
    csrr t1, sstatus
    addi t2, sp, FRAME_SIZE
    sd t0, FRAME_SEPC(sp)
    sd t1, FRAME_SSTATUS(sp)
    sd t2, FRAME_X(2)(sp)
    mv a0, sp
    call trap_from_kernel               # tp stays: the thread may go on on another hart
    ld t0, FRAME_SEPC(sp)
    ld t1, FRAME_SSTATUS(sp)
    csrw sepc, t0
    csrw sstatus, t1
    restore CALLER_SAVED
    addi sp, sp, FRAME_SIZE
    sret

from_user:                              # sp = the thread's frame, sscratch = the user's sp
    save 3,4,CALLER_SAVED
    save CALLEE_SAVED                   # fork copies them
    csrr t0, sepc
    csrrw t1, sscratch, zero
    sd t0, FRAME_SEPC(sp)
    sd t1, FRAME_X(2)(sp)
    ld tp, FRAME_HART(sp)
    mv a0, sp
    call trap_from_user
    # falls through: the frame is where sp points, and the callee-saved registers are the user's

trap_exit:
    li t1, SSTATUS_SPIE                 # interrupts are off from here on, and on in user mode
    csrw sstatus, t1
    ld t0, FRAME_SEPC(sp)
    sd tp, FRAME_HART(sp)
    csrw sscratch, sp
    csrw sepc, t0
    restore 3,4,CALLER_SAVED
    ld sp, FRAME_X(2)(sp)
    sret

    # void trap_exit_with(struct trapframe *frame): into user mode with all the registers of a frame
    .globl trap_exit_with
trap_exit_with:
    mv sp, a0
    restore CALLEE_SAVED
    j trap_exit

stack_overflow:
    csrr a0, sepc
    addi a1, sp, FRAME_SIZE
    la sp, overflow_stack_top
    call trap_stack_overflow

    .section .bss
    .align 4
overflow_stack:
    .space 4096
overflow_stack_top:
