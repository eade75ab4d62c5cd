# The only way into the kernel and out of it: one vector for user programs and for the kernel itself.
# Layout of a frame: struct trapframe in trap.h. Rules of sscratch: trap.h.

#define FRAME_SIZE 272
#define FRAME_HART 0
#define FRAME_X(n) (8 * (n))
#define FRAME_SEPC 256
#define FRAME_SSTATUS 264
#define STACK_SIZE_SHIFT 13             /* KSTACK_SIZE; this bit of sp is 0 in a stack's guard */

.macro save_registers                   # all but x2 (sp) and x0
    .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\n, FRAME_X(\n)(sp)
    .endr
    csrr t0, sepc
    csrr t1, sstatus
    sd t0, FRAME_SEPC(sp)
    sd t1, FRAME_SSTATUS(sp)
.endm

.macro restore_registers                # all but tp (x4) and sp
    ld t0, FRAME_SEPC(sp)
    ld t1, FRAME_SSTATUS(sp)
    csrw sepc, t0
    csrw sstatus, t1
    .irp n, 1,3,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
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

    save_registers
    addi t0, sp, FRAME_SIZE
    sd t0, FRAME_X(2)(sp)
    mv a0, sp
    call trap_from_kernel
    restore_registers                   # tp stays: the thread may go on on another hart
    addi sp, sp, FRAME_SIZE
    sret

from_user:                              # sp = the thread's frame, sscratch = the user's sp
    save_registers
    csrrw t0, sscratch, zero
    sd t0, FRAME_X(2)(sp)
    ld tp, FRAME_HART(sp)
    mv a0, sp
    call trap_from_user
    # falls through: the frame is where sp points

    .globl trap_exit
trap_exit:                              # interrupts are off, sp = the frame
    sd tp, FRAME_HART(sp)
    csrw sscratch, sp
    restore_registers
    ld tp, FRAME_X(4)(sp)
    ld sp, FRAME_X(2)(sp)
    sret

stack_overflow:
    csrr a0, sepc
    addi a1, sp, FRAME_SIZE
    la sp, overflow_stack_top
    call trap_stack_overflow

    # void trap_exit_with(struct trapframe *frame): the first way into user mode
    .globl trap_exit_with
trap_exit_with:
    mv sp, a0
    j trap_exit

    .section .bss
    .align 4
overflow_stack:
    .space 4096
overflow_stack_top:
