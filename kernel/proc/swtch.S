# void context_switch(struct context *from, struct context *to)
# Saves what a function call must preserve in *from and loads it from *to: the caller's return is the other thread's.
    .section .text
    .globl context_switch
context_switch:
    sd ra, 0(a0)
    sd sp, 8(a0)
    ld ra, 0(a1)
    ld sp, 8(a1)
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd s\n, 16 + 8 * \n(a0)
    ld s\n, 16 + 8 * \n(a1)
    .endr
    ret
