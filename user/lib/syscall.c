/* System calls: one small function each, made from the kernel's own list (abi/syscall.h).
 *
 * The arguments already stand in the registers where the kernel expects them, variable ones too, so
 * a stub only loads the call's number. The kernel returns an error as a value from -4095 to -1;
 * POSIX wants -1 and errno.
 *
 * Each stub is called __syscall_NAME, and NAME weakly, so that the library can put a function of
 * its own in front.
 */
#include "abi/syscall.h"
#include <errno.h>

int errno;

#define SYSCALL_STUB(name, number)                                                                 \
    __asm__(".section .text.syscall_" #name ", \"ax\"\n"                                           \
            ".globl __syscall_" #name "\n"                                                         \
            ".weak " #name "\n"                                                                    \
            "__syscall_" #name ":\n" #name ":\n"                                                   \
            "    li a7, " #number "\n"                                                             \
            "    ecall\n"                                                                          \
            "    li t0, -4096\n"                                                                   \
            "    bltu t0, a0, 1f\n"                                                                \
            "    ret\n"                                                                            \
            "1:  tail __syscall_failed\n"                                                          \
            ".text\n");

SYSCALLS(SYSCALL_STUB)

/* Jumped to by the stubs, with the kernel's result as argument and the stub's caller as its own. */
__attribute__((used)) long __syscall_failed(long result)
{
    errno = (int)-result;
    return -1;
}
