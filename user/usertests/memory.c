/* Tests of user memory: what a program may not touch, the heap, the stack. */
#include "test.h"

#include "arch/memlayout.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static uintptr_t fault_address; /* what the next fault_ function touches */

static void fault_load(void) { (void)*(volatile char *)fault_address; }
static void fault_store(void) { *(volatile char *)fault_address = 1; }
static void fault_jump(void) { ((void (*)(void))fault_address)(); }
static void fault_illegal(void) { __asm__ volatile("unimp"); }
static void fault_breakpoint(void) { __asm__ volatile("ebreak"); }
static void fault_privileged_register(void) { __asm__ volatile("csrr t0, satp" ::: "t0"); }
static void fault_machine_register(void) { __asm__ volatile("csrr t0, mstatus" ::: "t0"); }
static void fault_privileged_return(void) { __asm__ volatile("sret"); }

static void fault_misaligned_atomic(void)
{
    static uint64_t words[2];
    __asm__ volatile("amoadd.d t0, t0, (%0)" ::"r"((uintptr_t)words + 1) : "t0", "memory");
}

/* Not a tail call, and not to be seen through: the stack really grows. */
__attribute__((noinline)) static int fault_deep_recursion(volatile int *above)
{
    volatile int frame[64];
    frame[0] = *above + 1;
    return frame[0] + (frame[0] ? fault_deep_recursion(frame) : 0);
}

static void fault_stack(void)
{
    volatile int start = 1;
    exit(fault_deep_recursion(&start));
}

/* The fault happens in a child: it must cost that process and no other. */
static void expect_signal(void (*run)(void), int signal)
{
    int status = run_in_child(run);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT(WTERMSIG(status), signal);
}

static const uintptr_t forbidden[] = {
    0,
    8,
    PAGE,
    CLINT,
    PLIC,
    UART0,
    PCI_MMIO_WINDOW,
    RAM_BASE,
    RAM_BASE + (64 << 20),
    KSTACK_REGION,
    KSTACK_SLOT(0) + KSTACK_SIZE,
    USER_BASE - 1,
    USER_END - USER_STACK_SIZE - PAGE, /* below the stack */
    USER_END,
    0x4000000000ul, /* past Sv39's lower half: not a valid address at all */
    0xffffffc000000000ul,
    UINTPTR_MAX - 7,
};

static void test_forbidden_addresses(void)
{
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        fault_address = forbidden[i];
        expect_signal(fault_load, SIGSEGV);
        expect_signal(fault_store, SIGSEGV);
        expect_signal(fault_jump, SIGSEGV);
    }
}

static void test_text_is_read_only(void)
{
    fault_address = (uintptr_t)test_text_is_read_only;
    EXPECT(run_in_child(fault_load), 0);
    expect_signal(fault_store, SIGSEGV);
}

/* Data, stack and heap. */
static void test_data_is_not_executable(void)
{
    static uint32_t code = 0x00008067; /* ret */
    uint32_t on_stack = code;

    fault_address = (uintptr_t)&code;
    expect_signal(fault_jump, SIGSEGV);
    fault_address = (uintptr_t)&on_stack;
    expect_signal(fault_jump, SIGSEGV);
    fault_address = (uintptr_t)malloc(sizeof code);
    memcpy((void *)fault_address, &code, sizeof code);
    expect_signal(fault_jump, SIGSEGV);
}

static void test_bad_instructions(void)
{
    expect_signal(fault_illegal, SIGILL);
    expect_signal(fault_breakpoint, SIGTRAP);
    expect_signal(fault_privileged_register, SIGILL);
    expect_signal(fault_machine_register, SIGILL);
    expect_signal(fault_privileged_return, SIGILL);
    expect_signal(fault_misaligned_atomic, SIGBUS);
}

/* The page below the stack is a guard. */
static void test_stack_overflow(void) { expect_signal(fault_stack, SIGSEGV); }

/* All of the stack that is promised can be used, and system calls reach it. */
static void test_stack_size(void)
{
    volatile char area[USER_STACK_SIZE * 3 / 4];
    int ends[2];

    area[0] = 1;
    EXPECT(pipe(ends), 0);
    EXPECT(write(ends[1], "data", 4), 4);
    EXPECT(read(ends[0], (void *)area, 4), 4);
    EXPECT(area[0], 'd');
}

/* Also memory that comes back after it was given up must be zero: it may have been another
 * program's. */
static void test_sbrk_grows_with_zeros(void)
{
    char *start = sbrk(0);

    EXPECT(sbrk(3 * PAGE), start);
    EXPECT(sbrk(0), start + 3 * PAGE);
    for (int i = 0; i < 3 * PAGE; i++)
        EXPECT(start[i], 0);
    memset(start, 0xff, 3 * PAGE);
    EXPECT(sbrk(-3 * PAGE), start + 3 * PAGE);
    EXPECT(sbrk(3 * PAGE), start);
    for (char *p = start + PAGE; p < start + 3 * PAGE; p++)
        EXPECT(*p, 0);
}

/* What is given up is gone at once, for the program and for system calls. */
static void test_sbrk_shrinks(void)
{
    char *start = sbrk(16 * PAGE);

    EXPECT(sbrk(-8 * PAGE), start + 16 * PAGE);
    fault_address = (uintptr_t)start + 9 * PAGE;
    expect_signal(fault_load, SIGSEGV);
    fault_address = (uintptr_t)start + 6 * PAGE;
    EXPECT(run_in_child(fault_store), 0);
    EXPECT_ERROR(write(STDOUT_FILENO, start + 9 * PAGE, 1), EFAULT);
}

static void test_sbrk_limits(void)
{
    char *start = sbrk(0);

    EXPECT_ERROR((long)sbrk(INT64_MAX), ENOMEM);
    EXPECT_ERROR((long)sbrk(1l << 40), ENOMEM);
    EXPECT_ERROR((long)sbrk(USER_END - (uintptr_t)start), ENOMEM); /* into the stack */
    EXPECT_ERROR((long)sbrk(-(1l << 30)), EINVAL);
    EXPECT_ERROR((long)sbrk(INT64_MIN), EINVAL);
    EXPECT_ERROR((long)sbrk(-(intptr_t)(start - (char *)USER_BASE)), EINVAL); /* the program */
    EXPECT(sbrk(0), start);
}

static void test_fork_copies_memory(void)
{
    static int data = 1;
    int *heap = malloc(sizeof *heap), on_stack = 1;

    *heap = 1;
    pid_t pid = fork_checked();
    if (pid == 0) {
        EXPECT(data + *heap + on_stack, 3);
        data = *heap = on_stack = 2;
        _exit(0);
    }
    EXPECT(wait_status(pid), 0);
    EXPECT(data + *heap + on_stack, 3);
}

/* Blocks of all sizes keep their contents while others come and go. */
static void test_malloc(void)
{
    enum { BLOCKS = 100, ROUNDS = 1500 };
    static uint8_t *blocks[BLOCKS];
    static size_t sizes[BLOCKS];

    for (int round = 0; round < ROUNDS; round++) {
        int i = rand() % BLOCKS;
        if (blocks[i])
            EXPECT_TRUE(pattern_matches(blocks[i], (size_t)i, sizes[i]));
        size_t size = (size_t)rand() % 3000;
        if (round % 3 == 0) {
            blocks[i] = realloc(blocks[i], size);
            EXPECT_TRUE(pattern_matches(blocks[i], (size_t)i, size < sizes[i] ? size : sizes[i]));
        } else {
            free(blocks[i]);
            blocks[i] = malloc(size);
        }
        sizes[i] = size;
        EXPECT_TRUE(blocks[i] && (uintptr_t)blocks[i] % 16 == 0);
        pattern_fill(blocks[i], (size_t)i, size);
    }
    EXPECT(malloc(SIZE_MAX), NULL);
    EXPECT(calloc(SIZE_MAX / 2, 4), NULL);
}

const struct test memory_tests[] = {
    {"forbidden_addresses", test_forbidden_addresses, 20, false},
    {"text_is_read_only", test_text_is_read_only, 10, false},
    {"data_is_not_executable", test_data_is_not_executable, 10, false},
    {"bad_instructions", test_bad_instructions, 10, false},
    {"stack_overflow", test_stack_overflow, 10, false},
    {"stack_size", test_stack_size, 10, false},
    {"sbrk_grows_with_zeros", test_sbrk_grows_with_zeros, 10, false},
    {"sbrk_shrinks", test_sbrk_shrinks, 10, false},
    {"sbrk_limits", test_sbrk_limits, 10, false},
    {"fork_copies_memory", test_fork_copies_memory, 10, false},
    {"malloc", test_malloc, 10, false},
    {0},
};
