/* lspci: lists the functions on the PCI bus.
 *
 *   lspci        one line each: slot, identity, class, interrupt, driver
 *   lspci -v     also where its registers are
 */
#include "lib/output.h"

#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pci.h>
#include <unistd.h>

#define DEVICE "/dev/pci"

static void show_region(int number, const struct pci_region *region)
{
    if (region->size == 0)
        return;
    printf("      region %d: ", number);
    if (region->address)
        printf("0x%08lx", region->address);
    else
        printf("%-10s", "unassigned");
    printf(", %lu bytes of %s%s%s\n", region->size,
           region->flags & PCI_REGION_IO ? "ports" : "memory",
           region->flags & PCI_REGION_64BIT ? ", 64-bit" : "",
           region->flags & PCI_REGION_PREFETCHABLE ? ", prefetchable" : "");
}

static void show(const struct pci_info *info, bool regions)
{
    printf("%02x.%x  %04x:%04x  class %06x  revision %02x", info->slot, info->function,
           info->vendor, info->device, info->class_code, info->revision);
    if (info->irq)
        printf("  irq %u", info->irq);
    printf("  %s\n", *info->driver ? info->driver : "-");
    for (int i = 0; regions && i < PCI_REGIONS; i++)
        show_region(i, &info->regions[i]);
}

int main(int argc, char **argv)
{
    bool regions = false;
    int option;

    while ((option = getopt(argc, argv, "v")) != -1) {
        if (option != 'v') {
            fprintf(stderr, "usage: lspci [-v]\n");
            return 2;
        }
        regions = true;
    }
    int fd = open(DEVICE, O_RDONLY);
    if (fd < 0)
        err(1, DEVICE);
    struct pci_info info;
    ssize_t n;
    while ((n = read(fd, &info, sizeof info)) == sizeof info)
        show(&info, regions);
    if (n < 0)
        err(1, DEVICE);
    return output_status(0, 1);
}
