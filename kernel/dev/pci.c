/* The PCI bus: what is there, where its registers are put, and which driver it gets.
 *
 * QEMU starts without firmware, so nobody has assigned addresses: every base address register is
 * sized here and pointed into the host bridge's 32-bit memory window, those that could take 64 bits
 * too. I/O ports are left alone, no driver needs them. Interrupts are the four INTx lines: MSI
 * would need a target that the PLIC is not.
 *
 * Everything happens on one hart while the kernel boots; afterwards the table is only read, so no
 * lock is needed. /dev/pci gives it to user programs.
 */
#include "dev/pci.h"

#include "abi/errno.h"
#include "arch/barrier.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "dev/e1000.h"
#include "fs/file.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "virtio/virtio_pci.h"

/* Configuration space (PCI 3.0, 6.1 and 6.2) */
#define CONFIG_VENDOR           0x00
#define CONFIG_DEVICE           0x02
#define CONFIG_COMMAND          0x04
#define CONFIG_STATUS           0x06
#define CONFIG_CLASS_REVISION   0x08
#define CONFIG_HEADER_TYPE      0x0e
#define CONFIG_REGIONS          0x10 /* base address registers, 4 bytes each */
#define CONFIG_CAPABILITY_FIRST 0x34
#define CONFIG_INTERRUPT_PIN    0x3d

#define COMMAND_IO             0x0001u
#define COMMAND_MEMORY         0x0002u
#define COMMAND_BUS_MASTER     0x0004u
#define COMMAND_INTX_DISABLE   0x0400u
#define STATUS_CAPABILITY_LIST 0x0010u
#define HEADER_LAYOUT          0x7f
#define HEADER_MULTI_FUNCTION  0x80
#define REGION_IO              0x1u /* the other bits mean something in memory regions only */
#define REGION_TYPE            0x6u
#define REGION_TYPE_BELOW_1M   0x2u
#define REGION_TYPE_64BIT      0x4u
#define REGION_PREFETCHABLE    0x8u
#define CLASS_HOST_BRIDGE      0x0600u

#define ABSENT           0xffffffffu /* what a read gives where nobody answers */
#define VENDOR_ABSENT    0xffffu
#define SLOTS            32
#define SLOT_FUNCTIONS   8
#define FUNCTIONS_MAX    32
#define CAPABILITY_START 0x40
#define CAPABILITIES_MAX 48 /* of the least size, in what is left of 256 bytes */

static const struct pci_driver *const drivers[] = {
    &e1000_pci_driver,
    &virtio_pci_driver,
};

static struct pci_function functions[FUNCTIONS_MAX]; /* [I] after pci_init, as the count */
static unsigned function_count;
static uintptr_t window_next = PCI_MMIO_WINDOW; /* what is behind it has not been given out */

/* --- configuration space --- */

static uintptr_t config_address(const struct pci_function *function, unsigned offset)
{
    return PCI_ECAM + ((uintptr_t)function->info.slot << 15) +
           ((uintptr_t)function->info.function << 12) + offset;
}

uint8_t pci_config_read8(const struct pci_function *function, unsigned offset)
{
    return mmio_read8(config_address(function, offset));
}

uint16_t pci_config_read16(const struct pci_function *function, unsigned offset)
{
    return mmio_read16(config_address(function, offset));
}

uint32_t pci_config_read32(const struct pci_function *function, unsigned offset)
{
    return mmio_read32(config_address(function, offset));
}

static void config_write32(const struct pci_function *function, unsigned offset, uint32_t value)
{
    mmio_write32(config_address(function, offset), value);
}

/* The status register shares its word, but a 16-bit write leaves it alone: its bits are cleared by
 * ones. */
static void command_change(const struct pci_function *function, uint16_t clear, uint16_t set)
{
    uint16_t command = pci_config_read16(function, CONFIG_COMMAND);
    mmio_write16(config_address(function, CONFIG_COMMAND), (uint16_t)((command & ~clear) | set));
}

void pci_enable(const struct pci_function *function)
{
    command_change(function, COMMAND_INTX_DISABLE, COMMAND_MEMORY | COMMAND_BUS_MASTER);
}

void pci_disable(const struct pci_function *function)
{
    command_change(function, COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER,
                   COMMAND_INTX_DISABLE);
    /* A read pushes out what the function was still writing (PCI 3.0, 3.2.5). */
    pci_config_read16(function, CONFIG_COMMAND);
    device_barrier();
}

/* Links are offsets, their lowest two bits reserved (PCI 3.0, 6.7). Beyond the first 256 bytes an
 * ordinary device reads as all ones, and so does one that has gone. */
unsigned pci_capability_find(const struct pci_function *function, uint8_t id, unsigned index)
{
    if (!(pci_config_read16(function, CONFIG_STATUS) & STATUS_CAPABILITY_LIST))
        return 0;
    unsigned at = pci_config_read8(function, CONFIG_CAPABILITY_FIRST) & ~3u;
    for (unsigned seen = 0; at >= CAPABILITY_START && seen < CAPABILITIES_MAX; seen++) {
        uint32_t header = pci_config_read32(function, at);
        if (header == ABSENT)
            return 0;
        if ((header & 0xff) == id && index-- == 0)
            return at;
        at = (header >> 8) & 0xfc;
    }
    return 0;
}

/* --- regions --- */

/* Writes all ones to a base address register and tells which of them it kept: those above the
 * region's size, and its kind in the lowest bits (PCI 3.0, 6.2.5.1). */
static uint32_t region_mask_read(const struct pci_function *function, unsigned number)
{
    unsigned offset = CONFIG_REGIONS + 4 * number;
    uint32_t original = pci_config_read32(function, offset);
    config_write32(function, offset, ABSENT);
    uint32_t mask = pci_config_read32(function, offset);
    config_write32(function, offset, original);
    return mask;
}

/* Fills in kind and size of a region; size 0: there is none. Returns how many registers it takes.
 */
static unsigned region_measure(struct pci_function *function, unsigned number)
{
    struct pci_region *region = &function->info.regions[number];
    uint32_t mask = region_mask_read(function, number), high = ABSENT;

    if (mask == 0 || mask == ABSENT)
        return 1;
    if (mask & REGION_IO) {
        region->flags = PCI_REGION_IO;
        region->size = (uint16_t)(~(mask & ~3u) + 1); /* the upper half may be missing */
        return 1;
    }
    bool wide = (mask & REGION_TYPE) == REGION_TYPE_64BIT;
    if ((mask & REGION_TYPE & ~REGION_TYPE_64BIT) == REGION_TYPE_BELOW_1M ||
        (wide && number == PCI_REGIONS - 1))
        return 1; /* reserved, or the bridge has no memory there: as if it were not there */
    if (wide)
        high = region_mask_read(function, number + 1);
    region->flags =
        (wide ? PCI_REGION_64BIT : 0) | (mask & REGION_PREFETCHABLE ? PCI_REGION_PREFETCHABLE : 0);
    region->size = ~((uint64_t)high << 32 | (mask & ~15u)) + 1;
    return wide ? 2 : 1;
}

/* A naturally aligned piece of the window, as the register's missing low bits demand. 0: no room.
 */
static uintptr_t window_take(uint64_t size)
{
    const uintptr_t end = PCI_MMIO_WINDOW + PCI_MMIO_WINDOW_SIZE;
    if (!IS_POWER_OF_TWO(size) || size > PCI_MMIO_WINDOW_SIZE)
        return 0;
    uintptr_t address = ALIGN_UP(window_next, size);
    if (address > end - size)
        return 0;
    window_next = address + size;
    return address;
}

/* Points a memory region into the window; the upper half of a 64-bit one is 0 there. */
static void region_assign(struct pci_function *function, unsigned number)
{
    struct pci_region *region = &function->info.regions[number];
    if (region->size == 0 || (region->flags & PCI_REGION_IO))
        return;
    region->address = window_take(region->size);
    if (region->address == 0) {
        kprintf("pci %02x.%x: no room for region %u of 0x%lx bytes\n", function->info.slot,
                function->info.function, number, region->size);
        return;
    }
    config_write32(function, CONFIG_REGIONS + 4 * number, (uint32_t)region->address);
    if (region->flags & PCI_REGION_64BIT)
        config_write32(function, CONFIG_REGIONS + 4 * (number + 1), 0);
}

uintptr_t pci_region_map(const struct pci_function *function, unsigned number, uint64_t offset,
                         uint64_t length)
{
    if (number >= PCI_REGIONS)
        return 0;
    const struct pci_region *region = &function->info.regions[number];
    if (region->address == 0 || (region->flags & PCI_REGION_IO))
        return 0;
    if (offset > region->size || length > region->size - offset)
        return 0;
    return region->address + offset;
}

/* --- finding functions --- */

int pci_irq_register(const struct pci_function *function, irq_handler handler, void *argument)
{
    return function->info.irq ? irq_register(function->info.irq, handler, argument) : -ENXIO;
}

/* Who the function is, and to which interrupt source its pin leads. */
static void identity_read(struct pci_function *function)
{
    struct pci_info *info = &function->info;
    uint32_t class_revision = pci_config_read32(function, CONFIG_CLASS_REVISION);
    info->vendor = pci_config_read16(function, CONFIG_VENDOR);
    info->device = pci_config_read16(function, CONFIG_DEVICE);
    info->class_code = class_revision >> 8;
    info->revision = (uint8_t)class_revision;
    /* Lines are wired by slot. The interrupt line register would say what firmware has found out.
     */
    info->pin = pci_config_read8(function, CONFIG_INTERRUPT_PIN);
    if (info->pin > 4)
        info->pin = 0;
    info->irq = info->pin ? PCI_INTX_IRQ(info->slot, info->pin) : 0;
}

/* Enters a function that is there. Decoding is off while its registers are sized, or it would
 * answer at the addresses that are written for it. */
static void function_add(struct pci_function *function)
{
    identity_read(function);
    pci_disable(function);
    /* Only the ordinary header layout has six regions. */
    if ((pci_config_read8(function, CONFIG_HEADER_TYPE) & HEADER_LAYOUT) != 0)
        return;
    unsigned number = 0;
    while (number < PCI_REGIONS) {
        unsigned registers = region_measure(function, number);
        region_assign(function, number);
        number += registers;
    }
}

/* Function 0 is there if any is, and says whether there may be others (6.2.1). A place where nobody
 * is reads as vendor ffff. */
static void slot_scan(unsigned slot)
{
    unsigned count = 1;
    for (unsigned number = 0; number < count; number++) {
        struct pci_function probe = {.info = {.slot = (uint8_t)slot, .function = (uint8_t)number}};
        if (pci_config_read16(&probe, CONFIG_VENDOR) == VENDOR_ABSENT)
            continue;
        if (pci_config_read8(&probe, CONFIG_HEADER_TYPE) & HEADER_MULTI_FUNCTION)
            count = SLOT_FUNCTIONS;
        if (function_count == FUNCTIONS_MAX) {
            kprintf("pci %02x.%x: table full, passed over\n", slot, number);
            return;
        }
        functions[function_count] = probe;
        function_add(&functions[function_count++]);
    }
}

/* --- drivers --- */

static const struct pci_driver *driver_find(const struct pci_function *function)
{
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
        for (const struct pci_id *id = drivers[i]->ids; id->vendor; id++) {
            if (id->vendor == function->info.vendor && id->device == function->info.device)
                return drivers[i];
        }
    }
    return NULL;
}

/* Has the driver probe the function, and turns it off again if that fails: it may be in any state.
 */
static void driver_attach(struct pci_function *function)
{
    struct pci_info *info = &function->info;
    const struct pci_driver *driver = driver_find(function);
    if (!driver) {
        if (info->class_code >> 8 != CLASS_HOST_BRIDGE) /* which needs none */
            kprintf("pci %02x.%x: no driver for %04x:%04x, class %06x\n", info->slot,
                    info->function, info->vendor, info->device, info->class_code);
        return;
    }
    int error = driver->probe(function);
    if (error) {
        kprintf("pci %02x.%x: %s driver gives up, error %d\n", info->slot, info->function,
                driver->name, error);
        pci_disable(function);
        return;
    }
    strlcpy(info->driver, driver->name, sizeof(info->driver));
}

/* --- /dev/pci --- */

/* Whole records from the file's position on. The position is taken atomically, because processes
 * may share the file. */
static ssize_t pci_read(struct file *file, struct uio *uio)
{
    ssize_t total = 0;
    if (uio->remaining < sizeof(struct pci_info))
        return -EINVAL;
    while (uio->remaining >= sizeof(struct pci_info)) {
        uint64_t at = __atomic_fetch_add(&file->offset, sizeof(struct pci_info), __ATOMIC_RELAXED);
        if (at / sizeof(struct pci_info) >= function_count)
            break;
        int error =
            uio_put(uio, &functions[at / sizeof(struct pci_info)].info, sizeof(struct pci_info));
        if (error)
            return total > 0 ? total : error;
        total += (ssize_t)sizeof(struct pci_info);
    }
    return total;
}

static const struct file_ops pci_file_ops = {.read = pci_read};

/* All regions are assigned before the first driver sees its function. */
void pci_init(void)
{
    function_count = 0;
    window_next = PCI_MMIO_WINDOW;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        slot_scan(slot);
    for (unsigned i = 0; i < function_count; i++)
        driver_attach(&functions[i]);
    if (device_register(DEVICE_MAJOR_PCI, &pci_file_ops))
        panic("the PCI list's major number is taken");
}
