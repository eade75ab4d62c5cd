/* Intel's 8254x Gigabit Ethernet controllers. The driver is reached through struct pci_driver only;
 * interfaces appear through net/netdev.h. */
#ifndef DEV_E1000_H
#define DEV_E1000_H

#include "dev/pci.h"

/* Drives the 82540EM (QEMU's e1000) and the 82545EM. */
extern const struct pci_driver e1000_pci_driver;

#endif
