# Hart 0 runs the floor in machine mode, on a stack of its own; other harts sleep.
    .section .text.entry
    .globl _start
_start:
    csrw mie, zero
    csrr t0, mhartid
    bnez t0, park
    la sp, stack_top
    call floor_main
park:
    wfi
    j park

    .bss
    .align 4
    .space 16384
stack_top:
