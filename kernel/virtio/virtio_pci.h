/* The virtio transport over PCI (virtio 1.2, 4.1). */
#ifndef VIRTIO_VIRTIO_PCI_H
#define VIRTIO_VIRTIO_PCI_H

#include "dev/pci.h"

/* Drives network and block devices, transitional ones through their modern half. */
extern const struct pci_driver virtio_pci_driver;

#endif
