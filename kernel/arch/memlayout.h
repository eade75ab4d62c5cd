/* Where things are: QEMU's virt machine, and the virtual address space.
 *
 * One layout for all page tables (Sv39, 1 GiB per top-level entry). The lowest four entries are the kernel's,
 * the same in every table, supervisor-only and global:
 *
 *   0x0_0000_0000  device registers, identity-mapped; page 0 is not mapped
 *   0x0_4000_0000  PCI memory window, identity-mapped
 *   0x0_8000_0000  RAM, identity-mapped: kernel text r-x, read-only data r--, everything else rw-
 *   0x0_c000_0000  kernel stacks, each with an unmapped guard below
 *   0x1_0000_0000  user program: text, data, heap upwards; stack at the top, downwards
 *   0x1_4000_0000  end of user space
 *
 * So a system call, an interrupt or a switch to a kernel thread changes no page table; only a switch between
 * two user processes does.
 */
#ifndef ARCH_MEMLAYOUT_H
#define ARCH_MEMLAYOUT_H

#define HART_MAX 8

#define TEST_FINISHER 0x00100000ul /* sifive_test: ends QEMU with an exit code */
#define CLINT         0x02000000ul
/* Machine software interrupt: how harts wake each other; and the machine timer's compare register. */
#define CLINT_MSIP(hart)     (CLINT + 4 * (hart))
#define CLINT_MTIMECMP(hart) (CLINT + 0x4000 + 8 * (hart))
#define CLINT_SIZE           0x10000ul

#define PLIC         0x0c000000ul
#define PLIC_SIZE    0x400000ul
#define PLIC_SOURCES 96

#define UART0     0x10000000ul
#define UART0_IRQ 10

#define VIRTIO_MMIO_SLOTS     8
#define VIRTIO_MMIO(slot)     (0x10001000ul + 0x1000 * (slot))
#define VIRTIO_MMIO_IRQ(slot) (1 + (slot))

#define PCI_ECAM                0x30000000ul /* bus 0 takes 1 MiB */
#define PCI_ECAM_SIZE           0x100000ul
#define PCI_MMIO_WINDOW         0x40000000ul
#define PCI_MMIO_WINDOW_SIZE    0x40000000ul
#define PCI_INTX_IRQ(slot, pin) (32 + (((slot) + (pin)-1) % 4)) /* pin A = 1 */

#define RAM_BASE         0x80000000ul
#define RAM_SIZE_DEFAULT (128ul << 20) /* if the device tree does not tell */
#define RAM_SIZE_MAX     (1ul << 30)

#define KSTACK_REGION  0xc0000000ul
#define KSTACK_SIZE    8192ul /* of each 16 KiB slot the upper half; the lower one is the guard */
#define KSTACK_SLOT(n) (KSTACK_REGION + 2 * KSTACK_SIZE * (n))

#define USER_BASE       0x100000000ul
#define USER_END        0x140000000ul
#define USER_STACK_SIZE 65536ul

#endif
