/* Page tables: the kernel's mappings, and the address spaces of processes. */
#ifndef MM_VM_H
#define MM_VM_H

#include "arch/memlayout.h"
#include "arch/riscv.h"
#include "lib/types.h"
#include "mm/kalloc.h"

#define MEGAPAGE (512 * PAGE_SIZE) /* what one table of the lowest level maps */

/* Protection of a user mapping. */
#define VM_READ  0x2
#define VM_WRITE 0x4
#define VM_EXEC  0x8

/* A process's user memory. The program (text, data, heap) reaches from USER_BASE to `top`, the stack from
 * `stack` to USER_END. Changed only by its own process; nothing else runs in it. */
struct vm_space {
    uint64_t *root;        /* top-level page table; its kernel entries are shared with all others */
    uint64_t *user;        /* the next-level table below its one user entry */
    uintptr_t top;         /* end of the heap */
    uintptr_t heap_start;  /* the break may not go below */
    uintptr_t stack;       /* lowest stack address */
    uint32_t harts_loaded; /* atomic bitmap: harts whose satp points here; kept by proc/sched.c */
};

/* Builds the kernel's table, on the boot hart. At most spaces_max address spaces will exist at once. */
void vm_init(uintptr_t ram_end, unsigned spaces_max);
void vm_init_hart(void); /* turns paging on, on each hart */

/* Maps a kernel stack (both pages, guard below) for slot n. The top address, or 0: out of memory. */
uintptr_t vm_kstack_map(unsigned slot);

struct vm_space *vm_space_create(void); /* NULL: out of memory */
struct vm_space *
vm_space_clone(const struct vm_space *from); /* copies all pages; NULL: out of memory */

/* Frees the space and its memory. No hart translates with it any more (sched_retire_space). */
void vm_space_destroy(struct vm_space *space);

/* Maps zeroed pages over [start, end), page-aligned, inside user space and free so far. 0, -ENOMEM, -EINVAL.
 * On failure nothing stays mapped. */
int vm_space_map(struct vm_space *space, uintptr_t start, uintptr_t end, unsigned protection);
/* Unmaps and frees whatever is mapped in the page-aligned range. */
void vm_space_unmap(struct vm_space *space, uintptr_t start, uintptr_t end);

/* Translates with `space` from here on (NULL: the kernel's bare table), on this hart. Interrupts off. */
void vm_activate(const struct vm_space *space);

/* The page-table entry of a user address, valid or not; NULL if there is no table for it or it lies outside
 * user space. The upper levels are known, so this is short: every copy to or from a user goes through here. */
static inline uint64_t *vm_user_entry(const struct vm_space *space, uintptr_t address)
{
    uintptr_t offset = address - USER_BASE;
    if (offset >= USER_END - USER_BASE)
        return NULL;
    uint64_t table = space->user[offset / MEGAPAGE];
    if (!(table & PTE_V))
        return NULL;
    uint64_t *entry = (uint64_t *)PTE_ADDRESS(table) + PTE_INDEX(address, 0);
    ASSUME(entry);
    return entry;
}

/* The kernel's address of a user byte whose page allows `access` (VM_READ or VM_WRITE, 0: any); NULL if it
 * does not. Valid up to the end of the page. */
static inline void *vm_user_page(const struct vm_space *space, uintptr_t address, unsigned access)
{
    const uint64_t *entry = vm_user_entry(space, address);
    if (!entry || (*entry & (PTE_V | access)) != (PTE_V | access))
        return NULL;
    char *byte = (char *)PTE_ADDRESS(*entry) + address % PAGE_SIZE;
    ASSUME(byte);
    return byte;
}

/* Whether a user object of 1 to PAGE_SIZE bytes, which lies on two pages at most, allows `access`. */
static inline bool vm_user_allows(const struct vm_space *space, uintptr_t address, size_t n,
                                  unsigned access)
{
    return vm_user_page(space, address, access) && vm_user_page(space, address + n - 1, access);
}

/* In proc/usercopy.c, because they act on the current process: copies between kernel memory and its user
 * memory. 0 or -EFAULT. They walk the page table and copy through the kernel's own mapping: switching
 * sstatus.SUM on would flush QEMU's TLB. */
int copy_to_user(uintptr_t to, const void *from, size_t n);
int copy_from_user(void *to, uintptr_t from, size_t n);
/* Copies a 0-terminated string of at most size bytes with its 0. Its length, -EFAULT, -ENAMETOOLONG. */
ssize_t copy_string_from_user(char *to, uintptr_t from, size_t size);
/* The same into a space that is not the current one (exec building a new image). */
int vm_space_write(struct vm_space *space, uintptr_t to, const void *from, size_t n);

#endif
