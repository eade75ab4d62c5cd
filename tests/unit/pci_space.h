/* A model of PCI configuration space behind ECAM (PCI 3.0, chapter 6): functions with the registers
 * that a test gives them, all ones where there is none. It keeps a record of writes, and fails the
 * test for those that a driver must not make: to a base address register while the function
 * decodes, to what is read-only.
 *
 * Include it behind host.h.
 */
#ifndef PCI_SPACE_H
#define PCI_SPACE_H

#include "host/devices.h"

#define PCI_SPACE_BYTES 256

struct pci_space_function {
    bool present;
    uint8_t bytes[PCI_SPACE_BYTES];
    uint8_t writable[PCI_SPACE_BYTES];  /* bits that a write changes */
    uint8_t ignorable[PCI_SPACE_BYTES]; /* others that it may hit: ff in base address registers */
    unsigned command_writes, sizing_writes;
};

struct pci_space {
    struct pci_space_function functions[32][8];
};

/* Empties the space and puts it at ECAM's address. */
void pci_space_init(struct pci_space *space);

/* A function with header layout 0, interrupt pin A, a readable identity and a command register. */
struct pci_space_function *pci_space_add(struct pci_space *space, unsigned slot, unsigned function,
                                         uint16_t vendor, uint16_t device, uint32_t class_revision);
/* A base address register; kind: its fixed low bits. Sizes of 4 GiB and more with a 64-bit kind
 * only. */
void pci_space_region(struct pci_space_function *function, unsigned number, uint64_t size,
                      uint32_t kind);
/* Puts a capability of `length` bytes at `offset`, in front of the list; `bytes` begin behind id
 * and link. */
void pci_space_capability(struct pci_space_function *function, unsigned offset, uint8_t id,
                          const void *bytes, size_t length);

uint32_t pci_space_get(const struct pci_space_function *function, unsigned offset, unsigned width);
void pci_space_put(struct pci_space_function *function, unsigned offset, unsigned width,
                   uint32_t value);

#define PCI_SPACE_COMMAND(function) ((uint16_t)pci_space_get(function, 4, 2))

#endif
