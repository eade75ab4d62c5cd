/* The table of contents: every subsystem in the order it comes up, with the reason where the order matters. */
#include "abi/errno.h"
#include "arch/irq.h"
#include "arch/memlayout.h"
#include "arch/riscv.h"
#include "arch/trap.h"
#include "boot/fdt.h"
#include "dev/console.h"
#include "dev/memory.h"
#include "dev/pci.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/pipe.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "mm/vm.h"
#include "net/net.h"
#include "proc/exec.h"
#include "proc/sched.h"
#include "sys/sys.h"
#include "virtio/virtio_mmio.h"

#define INIT_PATH    "/bin/init"
#define EXIT_NO_ROOT 254 /* QEMU's exit code when there is no file system or no init */

extern char kernel_end[]; /* kernel.ld */

void main(uint64_t id, uintptr_t device_tree);

static struct fdt_facts facts; /* [I] after the boot hart has read them */
static bool others_may_start;  /* set once, by the boot hart */

static void halt(void)
{
    console_write_sync("", 0);
    machine_poweroff(255);
}

/* Init's arguments are the words of the kernel's command line, as `run=` wants them: everything behind that
 * word belongs to it, spaces included. */
static void arguments_fill(struct exec_arguments *arguments, char *line)
{
    arguments->strings = line;
    arguments->bytes = strlcpy(line, "init", PAGE_SIZE) + 1;
    arguments->count = 1;
    const char *word = facts.bootargs;
    while (*word && arguments->count < ARGUMENT_COUNT_MAX) {
        const char *space = strncmp(word, "run=", 4) ? strchr(word, ' ') : NULL;
        size_t length = space ? (size_t)(space - word) : strlen(word);
        if (length > 0) {
            memcpy(line + arguments->bytes, word, length);
            line[arguments->bytes + length] = 0;
            arguments->bytes += length + 1;
            arguments->count++;
        }
        word += length;
        while (*word == ' ')
            word++;
    }
}

/* The first process. It mounts the root as a thread of the kernel, because that sleeps on the disk, and then
 * becomes the program init. */
static void first_process(void *unused)
{
    (void)unused;
    struct exec_arguments arguments;
    char *line = page_alloc();
    int error = fs_mount_root();

    if (!error && line) {
        arguments_fill(&arguments, line);
        current_proc()->fds = fdtable_create();
        error = current_proc()->fds ? sys_exec_path(INIT_PATH, &arguments) : -ENOMEM;
    }
    page_free(line);
    if (error) {
        kprintf("cannot start " INIT_PATH " from the root file system: error %d\n", -error);
        console_write_sync("", 0);
        machine_poweroff(EXIT_NO_ROOT);
    }
}

static void hart_init(void)
{
    vm_init_hart();
    trap_init_hart();
    irq_init_hart();
}

/* Idle loops use a guarded stack like everybody, not the small one of the boot. */
static void hart_run(uint64_t id)
{
    uintptr_t stack = KSTACK_SLOT(PROC_MAX + id) + 2 * KSTACK_SIZE;
    __asm__ volatile("mv sp, %0\n\tcall sched_run" ::"r"(stack) : "memory");
    __builtin_unreachable();
}

static void boot(uintptr_t device_tree)
{
    kprintf_init(console_write_sync, halt);
    console_init(); /* from here on messages are seen */
    fdt_read((const void *)device_tree, &facts);
    kprintf("rvnet: %lu MiB RAM%s%s\n", facts.ram_size >> 20,
            *facts.bootargs ? ", arguments: " : "", facts.bootargs);

    /* Memory, then what harts and threads need. */
    kalloc_init((uintptr_t)kernel_end, RAM_BASE + facts.ram_size);
    vm_init(RAM_BASE + facts.ram_size, 2 * PROC_MAX);
    irq_init();
    for (unsigned id = 0; id < HART_MAX; id++)
        if (!vm_kstack_map(PROC_MAX + id))
            panic("no memory for idle stacks");
    hart_init();
    proc_init();
    /* The first process has pid 1: before any kernel thread. */
    struct proc *init = proc_create("init");

    /* Files before drivers, which register device nodes; the stack before network drivers, which register
     * devices. */
    file_init();
    pipe_init();
    memory_devices_init();
    int error = console_attach();
    if (error)
        kprintf("console: no interrupts, error %d\n", -error);
    net_init();
    virtio_mmio_init();
    pci_init();

    init->start = first_process;
    proc_start(init);
    __atomic_store_n(&others_may_start, true, __ATOMIC_RELEASE);
    for (unsigned hart = 1; hart < facts.harts; hart++)
        ipi_send(hart);
}

void main(uint64_t id, uintptr_t device_tree)
{
    __asm__ volatile("mv tp, %0" ::"r"(&harts[id]));
    if (id == 0) {
        sched_init_hart(id);
        boot(device_tree);
    } else {
        /* wfi ends on a pending software interrupt although interrupts are off: it is taken later. */
        CSR_SET(sie, SIE_SSIE);
        while (!__atomic_load_n(&others_may_start, __ATOMIC_ACQUIRE))
            wait_for_interrupt();
        sched_init_hart(id);
        hart_init();
    }
    hart_run(id);
}
