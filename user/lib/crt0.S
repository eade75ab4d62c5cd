# Where a user program begins. The kernel has put argc into a0, argv into a1 and the stack pointer, aligned to 16
# bytes, into sp; all other registers are 0.

    .section .text.start, "ax"
    .globl _start
_start:
    # The linker turns accesses of small data into ones relative to gp, but not this one, which sets it.
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    li      fp, 0           # here backtraces end
    tail    __program_begin # lib/process.c, with argc and argv
