/* The virtio transport over PCI (virtio 1.2, 4.1).
 *
 * A device says in vendor capabilities where in its memory regions its structures are: the common
 * configuration, the doorbells, the interrupt status, and the configuration of its type. probe()
 * looks them up once; from then on everything goes through the operations at the end of this file
 * and through the interrupt handler, as with virtio_mmio.c. A transitional device has these
 * structures too, beside the legacy registers, which are not touched; one without them is declined.
 *
 * Each field is accessed at its own width, those of 64 bits in halves (4.1.3.1). Selector fields
 * make some accesses two-step: they are used only while one thread initialises the device, so they
 * need no lock. Interrupts are INTx: MSI-X stays off, as after a reset, and the vector fields mean
 * nothing.
 */
#include "virtio/virtio_pci.h"

#include "abi/errno.h"
#include "arch/mmio.h"
#include "lib/format.h"
#include "lib/printf.h"
#include "mm/kalloc.h"
#include "virtio/virtio.h"

/* Capabilities (4.1.4); offsets in bytes */
#define CAPABILITY_TYPE       3
#define CAPABILITY_REGION     4
#define CAPABILITY_OFFSET     8
#define CAPABILITY_LENGTH     12
#define CAPABILITY_MULTIPLIER 16 /* of doorbells only (4.1.4.4) */

#define TYPE_COMMON 1u
#define TYPE_NOTIFY 2u
#define TYPE_ISR    3u
#define TYPE_DEVICE 4u

/* The common configuration structure (4.1.4.3) */
#define DEVICE_FEATURE_SELECT 0x00
#define DEVICE_FEATURE        0x04
#define DRIVER_FEATURE_SELECT 0x08
#define DRIVER_FEATURE        0x0c
#define NUM_QUEUES            0x12
#define DEVICE_STATUS         0x14
#define CONFIG_GENERATION     0x15
#define QUEUE_SELECT          0x16
#define QUEUE_SIZE            0x18
#define QUEUE_ENABLE          0x1c
#define QUEUE_NOTIFY_OFF      0x1e
#define QUEUE_DESC            0x20 /* low half of each address; the high half follows */
#define QUEUE_DRIVER          0x28
#define QUEUE_DEVICE          0x30
#define COMMON_SIZE           0x38

#define QUEUES_MAX 4 /* more than any driver here uses */

#define VENDOR_VIRTIO       0x1af4
#define DEVICE_MODERN       0x1040 /* plus the device type (4.1.2.1) */
#define DEVICE_TRANSITIONAL 0x1000

struct virtio_pci {
    struct virtio_device device;
    uintptr_t common, isr, config;   /* [I] addresses of the structures */
    uintptr_t notify;                /* [I] the first doorbell, */
    uint32_t notify_length;          /* [I] bytes that all of them take, */
    uint32_t notify_multiplier;      /* [I] and bytes from one to the next */
    uintptr_t doorbells[QUEUES_MAX]; /* set by queue_start */
};

_Static_assert(sizeof(struct virtio_pci) <= PAGE_SIZE, "a device's record is one page");

static struct virtio_pci *pci_from(struct virtio_device *device)
{
    return CONTAINER_OF(device, struct virtio_pci, device);
}

/* --- the operations of struct virtio_transport --- */

static uint8_t pci_status_get(struct virtio_device *device)
{
    return mmio_read8(pci_from(device)->common + DEVICE_STATUS);
}

static void pci_status_set(struct virtio_device *device, uint8_t status)
{
    mmio_write8(pci_from(device)->common + DEVICE_STATUS, status);
}

static uint64_t pci_features_offered(struct virtio_device *device)
{
    uintptr_t common = pci_from(device)->common;
    mmio_write32(common + DEVICE_FEATURE_SELECT, 0);
    uint64_t features = mmio_read32(common + DEVICE_FEATURE);
    mmio_write32(common + DEVICE_FEATURE_SELECT, 1);
    return features | (uint64_t)mmio_read32(common + DEVICE_FEATURE) << 32;
}

static void pci_features_accept(struct virtio_device *device, uint64_t features)
{
    uintptr_t common = pci_from(device)->common;
    mmio_write32(common + DRIVER_FEATURE_SELECT, 0);
    mmio_write32(common + DRIVER_FEATURE, (uint32_t)features);
    mmio_write32(common + DRIVER_FEATURE_SELECT, 1);
    mmio_write32(common + DRIVER_FEATURE, (uint32_t)(features >> 32));
}

/* virtio_config_read() has checked offsets against device.config_size. */
static uint8_t pci_config_field8(struct virtio_device *device, unsigned offset)
{
    return mmio_read8(pci_from(device)->config + offset);
}

static uint16_t pci_config_field16(struct virtio_device *device, unsigned offset)
{
    return mmio_read16(pci_from(device)->config + offset);
}

static uint32_t pci_config_field32(struct virtio_device *device, unsigned offset)
{
    return mmio_read32(pci_from(device)->config + offset);
}

static uint32_t pci_config_generation(struct virtio_device *device)
{
    return mmio_read8(pci_from(device)->common + CONFIG_GENERATION);
}

/* A queue of size 0 does not exist (4.1.5.1.3). */
static unsigned pci_queue_size_max(struct virtio_device *device, unsigned queue)
{
    uintptr_t common = pci_from(device)->common;
    if (queue >= QUEUES_MAX || queue >= mmio_read16(common + NUM_QUEUES))
        return 0;
    mmio_write16(common + QUEUE_SELECT, (uint16_t)queue);
    return mmio_read16(common + QUEUE_SIZE);
}

/* The selected queue's doorbell (4.1.4.4); 0: it would lie outside the structure, or at an odd address. */
static uintptr_t doorbell_find(const struct virtio_pci *pci)
{
    uint64_t offset =
        (uint64_t)mmio_read16(pci->common + QUEUE_NOTIFY_OFF) * pci->notify_multiplier;
    if (offset % sizeof(uint16_t) || offset + sizeof(uint16_t) > pci->notify_length)
        return 0;
    return pci->notify + offset;
}

static void write_address(uintptr_t low_half, uintptr_t address)
{
    mmio_write32(low_half, (uint32_t)address);
    mmio_write32(low_half + 4, (uint32_t)((uint64_t)address >> 32));
}

/* The order is that of 4.1.5.1.3: everything else first, queue_enable last. */
static int pci_queue_start(struct virtio_device *device, unsigned queue, unsigned size,
                           uintptr_t descriptors, uintptr_t driver_area, uintptr_t device_area)
{
    struct virtio_pci *pci = pci_from(device);
    mmio_write16(pci->common + QUEUE_SELECT, (uint16_t)queue);
    if (mmio_read16(pci->common + QUEUE_ENABLE) != 0)
        return -EBUSY;
    pci->doorbells[queue] = doorbell_find(pci);
    if (!pci->doorbells[queue]) {
        kprintf("%s: doorbell of queue %u misaligned or outside the 0x%x bytes of doorbells\n",
                device->name, queue, pci->notify_length);
        return -EINVAL;
    }
    mmio_write16(pci->common + QUEUE_SIZE, (uint16_t)size);
    write_address(pci->common + QUEUE_DESC, descriptors);
    write_address(pci->common + QUEUE_DRIVER, driver_area);
    write_address(pci->common + QUEUE_DEVICE, device_area);
    mmio_write16(pci->common + QUEUE_ENABLE, 1);
    return 0;
}

/* The value is the queue's index (4.1.5.2); mmio_write16 orders it behind the ring in memory. */
static void pci_notify(struct virtio_device *device, unsigned queue)
{
    mmio_write16(pci_from(device)->doorbells[queue], (uint16_t)queue);
}

static const struct virtio_transport pci_transport = {
    .status_get = pci_status_get,
    .status_set = pci_status_set,
    .features_offered = pci_features_offered,
    .features_accept = pci_features_accept,
    .config_read8 = pci_config_field8,
    .config_read16 = pci_config_field16,
    .config_read32 = pci_config_field32,
    .config_generation = pci_config_generation,
    .queue_size_max = pci_queue_size_max,
    .queue_start = pci_queue_start,
    .notify = pci_notify,
};

/* The read gives the reasons, clears them and drops the line (4.1.4.5): so exactly one, and
 * whatever it gives is acted on. 0: another device on the line. */
static void pci_interrupt(void *argument)
{
    struct virtio_pci *pci = argument;
    virtio_interrupt(&pci->device, mmio_read8(pci->isr));
}

/* --- finding the structures --- */

struct structure {
    unsigned capability; /* its offset in configuration space; 0: not found */
    uintptr_t address;
    uint32_t length;
};

/* The device's first structure of a type that can be used (4.1.4.1): those of unknown type, in a
 * region that does not exist, too short, or at no multiple of `align`, where an access to a field would trap,
 * are passed over. A length that reaches beyond the region is cut. */
static struct structure structure_find(const struct pci_function *function, unsigned type,
                                       uint32_t least, uint32_t align)
{
    unsigned at;
    for (unsigned i = 0; (at = pci_capability_find(function, PCI_CAPABILITY_VENDOR, i)); i++) {
        unsigned region = pci_config_read8(function, at + CAPABILITY_REGION);
        uint32_t offset = pci_config_read32(function, at + CAPABILITY_OFFSET);
        uint32_t length = pci_config_read32(function, at + CAPABILITY_LENGTH);
        if (pci_config_read8(function, at + CAPABILITY_TYPE) != type || length < least ||
            offset % align)
            continue;
        uintptr_t address = pci_region_map(function, region, offset, least);
        if (address) {
            uint64_t rest = function->info.regions[region].size - offset;
            return (struct structure){at, address, (uint32_t)MIN(length, rest)};
        }
    }
    return (struct structure){0};
}

/* All four are needed: every device type that is driven here has a configuration of its own
 * (4.1.4.6). How each is aligned: 4.1.4.3 to 4.1.4.6. */
static int structures_find(struct virtio_pci *pci, const struct pci_function *function)
{
    struct structure common = structure_find(function, TYPE_COMMON, COMMON_SIZE, 4);
    struct structure notify = structure_find(function, TYPE_NOTIFY, sizeof(uint16_t), 2);
    struct structure isr = structure_find(function, TYPE_ISR, 1, 1);
    struct structure config = structure_find(function, TYPE_DEVICE, 1, 4);

    if (!common.capability || !notify.capability || !isr.capability || !config.capability) {
        kprintf("%s: no structure for%s%s%s%s: a legacy device?\n", pci->device.name,
                common.capability ? "" : " common configuration,",
                notify.capability ? "" : " doorbells,", isr.capability ? "" : " interrupts,",
                config.capability ? "" : " device configuration");
        return -ENODEV;
    }
    pci->common = common.address;
    pci->isr = isr.address;
    pci->notify = notify.address;
    pci->notify_length = notify.length;
    pci->notify_multiplier = pci_config_read32(function, notify.capability + CAPABILITY_MULTIPLIER);
    pci->config = config.address;
    pci->device.config_size = config.length;
    return 0;
}

/* Modern devices are numbered by type (4.1.2.1), transitional ones by an older list. */
static uint32_t device_type(const struct pci_info *info)
{
    if (info->device >= DEVICE_MODERN)
        return info->device - DEVICE_MODERN;
    return info->device == DEVICE_TRANSITIONAL ? VIRTIO_ID_NET : VIRTIO_ID_BLOCK;
}

/* Finds the structures, lets the device work and interrupt, and hands it to its driver. */
static int pci_probe(struct pci_function *function)
{
    struct virtio_pci *pci = page_alloc_zeroed();
    if (!pci)
        return -ENOMEM;
    pci->device.id = device_type(&function->info);
    pci->device.transport = &pci_transport;
    snprintf(pci->device.name, sizeof(pci->device.name), "virtio-pci %02x.%x", function->info.slot,
             function->info.function);

    int error = structures_find(pci, function);
    if (error) {
        page_free(pci);
        return error;
    }
    pci_enable(function);
    error = pci_irq_register(function, pci_interrupt, pci);
    if (error) {
        page_free(pci);
        return error;
    }
    /* From here on the record stays: the interrupt handler refers to it, whatever becomes of the
     * device. */
    return virtio_attach(&pci->device);
}

static const struct pci_id pci_ids[] = {
    {VENDOR_VIRTIO, DEVICE_TRANSITIONAL},
    {VENDOR_VIRTIO, DEVICE_TRANSITIONAL + 1}, /* block */
    {VENDOR_VIRTIO, DEVICE_MODERN + VIRTIO_ID_NET},
    {VENDOR_VIRTIO, DEVICE_MODERN + VIRTIO_ID_BLOCK},
    {0, 0},
};

const struct pci_driver virtio_pci_driver = {
    .name = "virtio-pci",
    .ids = pci_ids,
    .probe = pci_probe,
};
