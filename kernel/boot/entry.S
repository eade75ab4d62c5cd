# Where every hart begins, in machine mode: a0 = hart id, a1 = address of the device tree (QEMU's boot convention).
# And the little that stays in machine mode: passing software interrupts on to supervisor mode.

#define HART_MAX 8
#define BOOT_STACK_SIZE 4096
#define MACHINE_SAVE_AREA 512           /* bytes, as start.c has it */
#define CLINT_MSIP 0x02000000
#define MCAUSE_SOFTWARE_LOW 3
#define SIP_SSIP 2

    .section .text.entry
    .globl _start
_start:
    li t0, HART_MAX
    bgeu a0, t0, park                   # more harts than this kernel has records for
    la sp, boot_stacks
    addi t0, a0, 1
    li t1, BOOT_STACK_SIZE
    mul t0, t0, t1
    add sp, sp, t0
    call start                          # does not return
park:
    wfi
    j park

    # One hart has written another's MSIP register: only machine mode sees that, so it is turned into a
    # supervisor software interrupt. mscratch points to this hart's save area.
    .section .text
    .align 4
    .globl machine_vector
machine_vector:
    csrrw sp, mscratch, sp
    sd t0, 0(sp)
    sd t1, 8(sp)
    csrr t0, mcause
    bgez t0, machine_exception
    slli t0, t0, 1                      # without the interrupt bit
    li t1, 2 * MCAUSE_SOFTWARE_LOW
    bne t0, t1, machine_exception
    csrr t0, mhartid
    slli t0, t0, 2
    li t1, CLINT_MSIP
    add t0, t0, t1
    sw zero, 0(t0)
    csrsi mip, SIP_SSIP
    ld t0, 0(sp)
    ld t1, 8(sp)
    csrrw sp, mscratch, sp
    mret

machine_exception:                      # everything else is delegated: this is a bug
    addi sp, sp, MACHINE_SAVE_AREA      # a stack, down to the registers, which nobody will want back
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    call machine_fault

    .section .bss
    .align 12
boot_stacks:
    .space BOOT_STACK_SIZE * HART_MAX
