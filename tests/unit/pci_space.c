/* See pci_space.h. */
#include "host.h"

#include "pci_space.h"

#define ECAM_BASE 0x30000000ul
#define ECAM_SIZE 0x100000u

#define REGIONS_START 0x10
#define REGIONS_END   0x28
#define DECODE        0x3u

uint32_t pci_space_get(const struct pci_space_function *function, unsigned offset, unsigned width)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)function->bytes[offset + i] << 8 * i;
    return value;
}

void pci_space_put(struct pci_space_function *function, unsigned offset, unsigned width,
                   uint32_t value)
{
    for (unsigned i = 0; i < width; i++)
        function->bytes[offset + i] = (uint8_t)(value >> 8 * i);
}

static struct pci_space_function *function_at(struct pci_space *space, unsigned offset)
{
    return &space->functions[offset >> 15 & 31][offset >> 12 & 7];
}

static uint32_t space_read(void *model, unsigned offset, unsigned width)
{
    struct pci_space_function *function = function_at(model, offset);
    unsigned at = offset & 0xfff;
    if (!function->present || at >= PCI_SPACE_BYTES)
        return UINT32_MAX >> (32 - 8 * width);
    return pci_space_get(function, at, width);
}

static void space_write(void *model, unsigned offset, unsigned width, uint32_t value)
{
    struct pci_space_function *function = function_at(model, offset);
    unsigned at = offset & 0xfff;
    if (!function->present)
        return;
    assert_true(at < PCI_SPACE_BYTES);
    if (at >= REGIONS_START && at < REGIONS_END) {
        if (PCI_SPACE_COMMAND(function) & DECODE)
            fail_msg("base address register 0x%x written while the function decodes", at);
        function->sizing_writes += value == UINT32_MAX;
    }
    function->command_writes += at == 4;
    for (unsigned i = 0; i < width; i++, at++) {
        uint8_t byte = (uint8_t)(value >> 8 * i), keep = (uint8_t)~function->writable[at];
        if ((byte ^ function->bytes[at]) & keep & (uint8_t)~function->ignorable[at])
            fail_msg("write of 0x%x to read-only configuration byte 0x%x", byte, at);
        function->bytes[at] = (uint8_t)((function->bytes[at] & keep) | (byte & ~keep));
    }
}

void pci_space_init(struct pci_space *space)
{
    memset(space, 0, sizeof(*space));
    struct host_region region = {ECAM_BASE, ECAM_SIZE, space, space_read, space_write};
    host_region_add(&region);
}

struct pci_space_function *pci_space_add(struct pci_space *space, unsigned slot, unsigned number,
                                         uint16_t vendor, uint16_t device, uint32_t class_revision)
{
    struct pci_space_function *function = &space->functions[slot][number];
    function->present = true;
    pci_space_put(function, 0x00, 2, vendor);
    pci_space_put(function, 0x02, 2, device);
    pci_space_put(function, 0x08, 4, class_revision);
    pci_space_put(function, 0x3d, 1, 1);
    function->writable[0x04] = 0x07;
    function->writable[0x05] = 0x04;
    memset(function->ignorable + REGIONS_START, 0xff, REGIONS_END - REGIONS_START);
    return function;
}

void pci_space_region(struct pci_space_function *function, unsigned number, uint64_t size,
                      uint32_t kind)
{
    unsigned at = REGIONS_START + 4 * number, width = (kind & 6) == 4 ? 8 : 4;
    uint64_t mask = ~(size - 1);
    pci_space_put(function, at, 4, kind);
    for (unsigned i = 0; i < width; i++)
        function->writable[at + i] = (uint8_t)(mask >> 8 * i);
    function->writable[at] &= (uint8_t) ~(kind & 1 ? 0x3u : 0xfu);
}

void pci_space_capability(struct pci_space_function *function, unsigned offset, uint8_t id,
                          const void *bytes, size_t length)
{
    function->bytes[0x06] |= 0x10;
    function->bytes[offset] = id;
    function->bytes[offset + 1] = function->bytes[0x34];
    function->bytes[0x34] = (uint8_t)offset;
    memcpy(function->bytes + offset + 2, bytes, length - 2);
}
