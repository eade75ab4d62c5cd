/* PCI: the functions on bus 0 of the virt machine's host bridge, and the way from each to its
 * driver.
 *
 * pci_init() finds the functions, gives their memory regions addresses, and has the drivers of the
 * table in pci.c probe them, in the order of slots. From then on nothing changes. Functions behind
 * further bridges are not looked for. Configuration space is memory-mapped (ECAM: PCI Express base
 * specification, 7.2.2); a place where nobody is reads as all ones.
 */
#ifndef DEV_PCI_H
#define DEV_PCI_H

#include "abi/pci.h"
#include "arch/irq.h"
#include "lib/types.h"

#define PCI_CAPABILITY_VENDOR 0x09 /* of the vendor's own layout */

struct pci_function {
    struct pci_info info; /* [I] after pci_init */
};

struct pci_id {
    uint16_t vendor, device;
};

struct pci_driver {
    const char *name;         /* at most 15 characters */
    const struct pci_id *ids; /* which functions it drives; ends with vendor 0 */
    /* While the kernel boots, no lock held; the function decodes no addresses yet. 0, or a negated
     * errno with the reason logged: then the function is turned off again. */
    int (*probe)(struct pci_function *function);
};

/* Once, at boot, after irq_init(), file_init() and whatever the drivers register with. */
void pci_init(void);

/* Reads of the function's configuration space; 0 <= offset < 4096, a multiple of the width. */
uint8_t pci_config_read8(const struct pci_function *function, unsigned offset);
uint16_t pci_config_read16(const struct pci_function *function, unsigned offset);
uint32_t pci_config_read32(const struct pci_function *function, unsigned offset);

/* The offset of the function's capability number `index` (0, 1, ...) among those with this id
 * (PCI 3.0, 6.7); 0: it has no such. A list that does not end is given up after as many entries as
 * there is room for. */
unsigned pci_capability_find(const struct pci_function *function, uint8_t id, unsigned index);

/* Where the processor finds `length` bytes at `offset` of a memory region; 0: the region is not
 * there, has no address, or is shorter. */
uintptr_t pci_region_map(const struct pci_function *function, unsigned region, uint64_t offset,
                         uint64_t length);

/* Lets the function answer accesses to its memory regions, use memory, and interrupt. */
void pci_enable(const struct pci_function *function);
/* Ends all that: once this has returned, the function accesses no memory. */
void pci_disable(const struct pci_function *function);

/* Has the handler called for the function's interrupt pin, which it shares with others: it must
 * tolerate that nothing is the matter. 0; -ENXIO: it has no pin; or an error of irq_register(). */
int pci_irq_register(const struct pci_function *function, irq_handler handler, void *argument);

#endif
