/* The flattened device tree that QEMU hands over (Devicetree Specification 0.4, chapter 5): only what the
 * kernel asks it. Every offset in it is checked against its size; a tree that makes no sense gives the
 * defaults. */
#ifndef BOOT_FDT_H
#define BOOT_FDT_H

#include "lib/types.h"

struct fdt_facts {
    char bootargs[1024]; /* QEMU's -append; empty if there is none */
    uint64_t ram_size;   /* bytes from RAM_BASE */
    unsigned harts;      /* at most HART_MAX */
};

/* tree: address of the device tree, as a hart finds it in a1. Always fills *facts. */
void fdt_read(const void *tree, struct fdt_facts *facts);

#endif
