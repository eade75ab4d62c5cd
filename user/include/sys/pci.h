/* <sys/pci.h>: the list of PCI functions, which reading /dev/pci gives. rvnet's own. */
#ifndef USER_SYS_PCI_H
#define USER_SYS_PCI_H

#include "abi/pci.h"

#endif
