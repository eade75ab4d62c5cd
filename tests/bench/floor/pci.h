/* PCI on QEMU's virt machine: bus 0 of the memory-mapped configuration space. */
#ifndef FLOOR_PCI_H
#define FLOOR_PCI_H

#include "arch/memlayout.h"
#include "arch/mmio.h"

#define PCI_ID             0x00 /* vendor in the lower half, device in the upper one */
#define PCI_COMMAND        0x04
#define PCI_COMMAND_MEMORY 0x2
#define PCI_COMMAND_MASTER 0x4
#define PCI_BAR(n)         (0x10 + 4 * (n))
#define PCI_CAPABILITIES   0x34
#define PCI_SLOTS          32
#define PCI_CONFIG(slot)   (PCI_ECAM + ((uintptr_t)(slot) << 15))

/* The slot of the first card with this id, or -1. */
static inline int pci_find(uint32_t id)
{
    for (int slot = 0; slot < PCI_SLOTS; slot++) {
        if (mmio_read32(PCI_CONFIG(slot) + PCI_ID) == id)
            return slot;
    }
    return -1;
}

/* Nobody has assigned addresses: the card's one memory window of interest goes to the beginning
 * of the range for such windows. Returns its address. */
static inline uintptr_t pci_start(int slot, unsigned bar)
{
    uintptr_t config = PCI_CONFIG(slot);

    mmio_write32(config + PCI_BAR(bar), PCI_MMIO_WINDOW);
    mmio_write16(config + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    return PCI_MMIO_WINDOW;
}

#endif
