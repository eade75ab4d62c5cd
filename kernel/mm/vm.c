/* Sv39 page tables. The layout of the address space is drawn in arch/memlayout.h; here it is built. Every
 * valid entry has its accessed and dirty bits set, so the hardware never has to.
 *
 * A user space uses exactly one top-level entry, which covers [USER_BASE, USER_END). It is changed only by
 * its own process; page-table pages live until the space is destroyed. */
#include "mm/vm.h"

#include "abi/errno.h"
#include "arch/memlayout.h"
#include "arch/riscv.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/kalloc.h"

#define ENTRIES        512
#define GIGAPAGE       (MEGAPAGE * ENTRIES)
#define KERNEL_ENTRIES 4 /* top-level entries that all tables share */
#define USER_ENTRY     PTE_INDEX(USER_BASE, 2)

#define KERNEL_FLAGS (PTE_V | PTE_G | PTE_A | PTE_D)
#define USER_FLAGS   (PTE_V | PTE_U | PTE_A | PTE_D)
#define PTE_LEAF     (PTE_R | PTE_W | PTE_X)

_Static_assert(PTE_R == VM_READ && PTE_W == VM_WRITE && PTE_X == VM_EXEC, "same bits");

/* kernel.ld; page-aligned. */
extern char kernel_text_start[], kernel_text_end[], kernel_rodata_end[];

static uint64_t *kernel_root; /* [I] after vm_init */
static struct pool spaces;

/* The entry that maps `address` at `level` (0: a 4 KiB page, 1: 2 MiB, 2: 1 GiB). Missing tables on the way
 * are made if `create`. NULL: out of memory, or not there. */
static uint64_t *entry_find(uint64_t *table, uintptr_t address, int level, bool create)
{
    for (int at = 2; at > level; at--) {
        uint64_t *entry = &table[PTE_INDEX(address, at)];
        if (*entry & PTE_V) {
            table = (uint64_t *)PTE_ADDRESS(*entry);
            continue;
        }
        if (!create)
            return NULL;
        table = page_alloc_zeroed();
        if (!table)
            return NULL;
        *entry = PTE_MAKE(table, PTE_V);
    }
    return &table[PTE_INDEX(address, level)];
}

/* Maps part of the kernel's half, at boot: [start, end) to itself, in entries of the given level. */
static void kernel_map(uintptr_t start, uintptr_t end, int level, uint64_t access)
{
    uintptr_t step = PAGE_SIZE << (9 * level);
    for (uintptr_t address = start; address < end; address += step) {
        uint64_t *entry = entry_find(kernel_root, address, level, true);
        if (!entry)
            panic("no memory for the kernel's page table");
        *entry = PTE_MAKE(address, access | KERNEL_FLAGS);
    }
}

static void kernel_map_devices(void)
{
    const uint64_t rw = PTE_R | PTE_W;
    /* Page 0 is near: stays unmapped. */
    kernel_map(TEST_FINISHER, TEST_FINISHER + PAGE_SIZE, 0, rw);
    kernel_map(CLINT, CLINT + CLINT_SIZE, 0, rw);
    kernel_map(PLIC, PLIC + PLIC_SIZE, 1, rw);
    kernel_map(UART0, VIRTIO_MMIO(VIRTIO_MMIO_SLOTS), 0, rw);
    kernel_map(PCI_ECAM, PCI_ECAM + PCI_ECAM_SIZE, 0, rw);
    kernel_map(PCI_MMIO_WINDOW, PCI_MMIO_WINDOW + PCI_MMIO_WINDOW_SIZE, 2, rw);
}

static void kernel_map_ram(uintptr_t ram_end)
{
    uintptr_t text = (uintptr_t)kernel_text_start, rodata = (uintptr_t)kernel_text_end;
    uintptr_t data = (uintptr_t)kernel_rodata_end, megapages = ALIGN_UP(data, MEGAPAGE);
    uintptr_t rest = MAX(megapages, ALIGN_DOWN(ram_end, MEGAPAGE));

    assert(text == RAM_BASE);
    kernel_map(text, rodata, 0, PTE_R | PTE_X);
    kernel_map(rodata, data, 0, PTE_R);
    kernel_map(data, MIN(megapages, ram_end), 0, PTE_R | PTE_W);
    kernel_map(megapages, rest, 1, PTE_R | PTE_W);
    /* RAM need not end with a large page, and kalloc.c hands out all of it. */
    kernel_map(rest, ALIGN_DOWN(ram_end, PAGE_SIZE), 0, PTE_R | PTE_W);
}

void vm_init(uintptr_t ram_end, unsigned spaces_max)
{
    kernel_root = page_alloc_zeroed();
    uint64_t *stacks = page_alloc_zeroed();
    if (!kernel_root || !stacks ||
        pool_init(&spaces, "spaces", sizeof(struct vm_space), spaces_max))
        panic("no memory for the kernel's page table");

    kernel_map_devices();
    kernel_map_ram(ram_end);
    /* The table for the stacks is there from the start, because user tables copy the top-level entry. */
    kernel_root[PTE_INDEX(KSTACK_REGION, 2)] = PTE_MAKE(stacks, PTE_V);
}

void vm_init_hart(void)
{
    CSR_WRITE(satp, SATP_SV39 | (uintptr_t)kernel_root >> 12);
    tlb_flush();
}

uintptr_t vm_kstack_map(unsigned slot)
{
    uintptr_t top = KSTACK_SLOT(slot) + 2 * KSTACK_SIZE;
    for (uintptr_t address = top - KSTACK_SIZE; address < top; address += PAGE_SIZE) {
        uint64_t *entry = entry_find(kernel_root, address, 0, true);
        void *page = entry ? page_alloc() : NULL;
        if (!page)
            return 0;
        *entry = PTE_MAKE(page, PTE_R | PTE_W | KERNEL_FLAGS);
    }
    return top;
}

struct vm_space *vm_space_create(void)
{
    struct vm_space *space = pool_alloc(&spaces);
    if (!space)
        return NULL;
    space->root = page_alloc_zeroed();
    space->user = page_alloc_zeroed();
    if (!space->root || !space->user) {
        page_free(space->root);
        page_free(space->user);
        pool_free(&spaces, space);
        return NULL;
    }
    memcpy(space->root, kernel_root, KERNEL_ENTRIES * sizeof *kernel_root);
    space->root[USER_ENTRY] = PTE_MAKE(space->user, PTE_V);
    space->top = space->heap_start = USER_BASE;
    space->stack = USER_END;
    return space;
}

int vm_space_map(struct vm_space *space, uintptr_t start, uintptr_t end, unsigned protection)
{
    if (start % PAGE_SIZE || end % PAGE_SIZE || start < USER_BASE || end > USER_END || start > end)
        return -EINVAL;
    for (uintptr_t address = start; address < end; address += PAGE_SIZE) {
        uint64_t *entry = entry_find(space->root, address, 0, true);
        void *page = entry ? page_alloc_zeroed() : NULL;
        if (!page || *entry & PTE_V) {
            page_free(page);
            vm_space_unmap(space, start, address);
            return page ? -EINVAL : -ENOMEM;
        }
        *entry = PTE_MAKE(page, (protection & PTE_LEAF) | USER_FLAGS);
    }
    tlb_flush(); /* a hart may remember that there was nothing (privileged architecture, 4.2.1) */
    return 0;
}

void vm_space_unmap(struct vm_space *space, uintptr_t start, uintptr_t end)
{
    bool flush = false;
    for (uintptr_t address = start; address < end; address += PAGE_SIZE) {
        uint64_t *entry = vm_user_entry(space, address);
        if (!entry || !(*entry & PTE_V))
            continue;
        void *page = (void *)PTE_ADDRESS(*entry);
        *entry = 0;
        page_free(page);
        flush = true;
    }
    /* Only the program itself could use a stale translation, and it does not run before this. */
    if (flush)
        tlb_flush();
}

/* Copies the pages of [start, end). 0 or -ENOMEM. */
static int range_clone(struct vm_space *to, const struct vm_space *from, uintptr_t start,
                       uintptr_t end)
{
    for (uintptr_t address = start; address < end; address += PAGE_SIZE) {
        uint64_t *entry = vm_user_entry(from, address);
        if (!entry || !(*entry & PTE_V))
            continue;
        uint64_t *copy = entry_find(to->root, address, 0, true);
        void *page = copy ? page_alloc() : NULL;
        if (!page)
            return -ENOMEM;
        memcpy(page, (void *)PTE_ADDRESS(*entry), PAGE_SIZE);
        *copy = PTE_MAKE(page, *entry & (PTE_LEAF | USER_FLAGS));
    }
    return 0;
}

struct vm_space *vm_space_clone(const struct vm_space *from)
{
    struct vm_space *space = vm_space_create();
    if (!space)
        return NULL;
    space->top = from->top;
    space->heap_start = from->heap_start;
    space->stack = from->stack;
    if (range_clone(space, from, USER_BASE, ALIGN_UP(from->top, PAGE_SIZE)) ||
        range_clone(space, from, from->stack, USER_END)) {
        vm_space_destroy(space);
        return NULL;
    }
    return space;
}

void vm_space_destroy(struct vm_space *space)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (!(space->user[i] & PTE_V))
            continue;
        uint64_t *pages = (uint64_t *)PTE_ADDRESS(space->user[i]);
        for (unsigned j = 0; j < ENTRIES; j++)
            if (pages[j] & PTE_V)
                page_free((void *)PTE_ADDRESS(pages[j]));
        page_free(pages);
    }
    page_free(space->user);
    page_free(space->root);
    pool_free(&spaces, space);
}

void vm_activate(const struct vm_space *space)
{
    CSR_WRITE(satp, SATP_SV39 | (uintptr_t)(space ? space->root : kernel_root) >> 12);
    tlb_flush();    /* no address-space identifiers are in use; the kernel's entries are global */
    icache_flush(); /* the program may have been written by another hart */
}
