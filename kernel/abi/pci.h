/* The list of PCI functions: read() on /dev/pci gives whole records of this form. */
#ifndef ABI_PCI_H
#define ABI_PCI_H

#include "abi/types.h"

#define PCI_REGIONS 6

#define PCI_REGION_IO           0x1u /* I/O ports; else memory */
#define PCI_REGION_64BIT        0x2u
#define PCI_REGION_PREFETCHABLE 0x4u

struct pci_region {
    uint64_t address; /* on the bus; 0: not assigned */
    uint64_t size;    /* bytes; 0: there is no such region */
    uint32_t flags;   /* PCI_REGION_* */
    uint32_t padding;
};

struct pci_info {
    uint8_t slot, function; /* on bus 0 */
    uint8_t revision;
    uint8_t pin; /* interrupt pin, 1 to 4 for INTA to INTD; 0: none */
    uint16_t vendor, device;
    uint32_t class_code; /* class, subclass, programming interface: 24 bits */
    uint32_t irq;        /* PLIC source; 0: none */
    char driver[16];     /* empty: none */
    struct pci_region regions[PCI_REGIONS];
};

#endif
