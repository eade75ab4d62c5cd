/* The virtio transport over memory-mapped registers (virtio 1.2, 4.2).
 *
 * QEMU's virt machine has eight register windows ("slots"), all of them always there. An empty one
 * reads device id 0. Interface: virtio_mmio_init() probes them at boot; from then on everything
 * goes through the operations at the end of this file, and through the interrupt handler.
 *
 * Every register is 32 bits wide and accessed as such; configuration space, behind 0x100, by the
 * width of its fields (4.2.2.2). Selector registers make some accesses two-step: they are used only
 * while one thread initialises the device, so they need no lock. On the data path there is one
 * register write per doorbell, and a read and a write per interrupt.
 */
#include "virtio/virtio_mmio.h"

#include "abi/errno.h"
#include "arch/barrier.h"
#include "arch/irq.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "lib/format.h"
#include "lib/printf.h"
#include "virtio/virtio.h"

/* Registers (4.2.2, table 4.1) */
#define MAGIC_VALUE         0x000
#define VERSION             0x004
#define DEVICE_ID           0x008
#define DEVICE_FEATURES     0x010
#define DEVICE_FEATURES_SEL 0x014
#define DRIVER_FEATURES     0x020
#define DRIVER_FEATURES_SEL 0x024
#define QUEUE_SEL           0x030
#define QUEUE_NUM_MAX       0x034
#define QUEUE_NUM           0x038
#define QUEUE_READY         0x044
#define QUEUE_NOTIFY        0x050
#define INTERRUPT_STATUS    0x060
#define INTERRUPT_ACK       0x064
#define STATUS              0x070
#define QUEUE_DESC          0x080 /* low half of each address; the high half follows */
#define QUEUE_DRIVER        0x090
#define QUEUE_DEVICE        0x0a0
#define CONFIG_GENERATION   0x0fc
#define CONFIG              0x100

#define MAGIC          0x74726976u /* "virt" */
#define VERSION_LEGACY 1u
#define VERSION_MODERN 2u

struct virtio_mmio {
    struct virtio_device device;
    uintptr_t base; /* [I] */
};

static struct virtio_mmio slots[VIRTIO_MMIO_SLOTS];

static uintptr_t mmio_base(struct virtio_device *device)
{
    return CONTAINER_OF(device, struct virtio_mmio, device)->base;
}

static uint8_t mmio_status_get(struct virtio_device *device)
{
    return (uint8_t)mmio_read32(mmio_base(device) + STATUS);
}

static void mmio_status_set(struct virtio_device *device, uint8_t status)
{
    mmio_write32(mmio_base(device) + STATUS, status);
}

/* 64 bits through a window of 32: the selector comes first (4.2.2.2). */
static uint64_t mmio_features_offered(struct virtio_device *device)
{
    uintptr_t base = mmio_base(device);
    mmio_write32(base + DEVICE_FEATURES_SEL, 0);
    uint64_t features = mmio_read32(base + DEVICE_FEATURES);
    mmio_write32(base + DEVICE_FEATURES_SEL, 1);
    return features | (uint64_t)mmio_read32(base + DEVICE_FEATURES) << 32;
}

static void mmio_features_accept(struct virtio_device *device, uint64_t features)
{
    uintptr_t base = mmio_base(device);
    mmio_write32(base + DRIVER_FEATURES_SEL, 0);
    mmio_write32(base + DRIVER_FEATURES, (uint32_t)features);
    mmio_write32(base + DRIVER_FEATURES_SEL, 1);
    mmio_write32(base + DRIVER_FEATURES, (uint32_t)(features >> 32));
}

/* Configuration space: each field at its own width, at its natural alignment. */
static uint8_t mmio_config_read8(struct virtio_device *device, unsigned offset)
{
    return mmio_read8(mmio_base(device) + CONFIG + offset);
}

static uint16_t mmio_config_read16(struct virtio_device *device, unsigned offset)
{
    return mmio_read16(mmio_base(device) + CONFIG + offset);
}

static uint32_t mmio_config_read32(struct virtio_device *device, unsigned offset)
{
    return mmio_read32(mmio_base(device) + CONFIG + offset);
}

static uint32_t mmio_config_generation(struct virtio_device *device)
{
    return mmio_read32(mmio_base(device) + CONFIG_GENERATION);
}

/* A maximum of 0 means that there is no such queue (4.2.3.2). */
static unsigned mmio_queue_size_max(struct virtio_device *device, unsigned queue)
{
    mmio_write32(mmio_base(device) + QUEUE_SEL, queue);
    return mmio_read32(mmio_base(device) + QUEUE_NUM_MAX);
}

static void write_address(uintptr_t low_register, uintptr_t address)
{
    mmio_write32(low_register, (uint32_t)address);
    mmio_write32(low_register + 4, (uint32_t)((uint64_t)address >> 32));
}

/* The order is that of 4.2.3.2; the caller has zeroed the memory and chosen a size within the
 * maximum. */
static int mmio_queue_start(struct virtio_device *device, unsigned queue, unsigned size,
                            uintptr_t descriptors, uintptr_t driver_area, uintptr_t device_area)
{
    uintptr_t base = mmio_base(device);
    mmio_write32(base + QUEUE_SEL, queue);
    if (mmio_read32(base + QUEUE_READY) != 0)
        return -EBUSY;
    mmio_write32(base + QUEUE_NUM, size);
    write_address(base + QUEUE_DESC, descriptors);
    write_address(base + QUEUE_DRIVER, driver_area);
    write_address(base + QUEUE_DEVICE, device_area);
    mmio_write32(base + QUEUE_READY, 1);
    return 0;
}

/* The value is the queue's index (4.2.3.3); mmio_write32 orders it behind the ring in memory. */
static void mmio_notify(struct virtio_device *device, unsigned queue)
{
    mmio_write32(mmio_base(device) + QUEUE_NOTIFY, queue);
}

static const struct virtio_transport mmio_transport = {
    .status_get = mmio_status_get,
    .status_set = mmio_status_set,
    .features_offered = mmio_features_offered,
    .features_accept = mmio_features_accept,
    .config_read8 = mmio_config_read8,
    .config_read16 = mmio_config_read16,
    .config_read32 = mmio_config_read32,
    .config_generation = mmio_config_generation,
    .queue_size_max = mmio_queue_size_max,
    .queue_start = mmio_queue_start,
    .notify = mmio_notify,
};

/* 4.2.3.4.1: asks for the reason and acknowledges exactly the reasons it saw. The acknowledgement
 * comes first, the look at the rings after it, with a fence between: a completion in between raises
 * the line again, whereas the other way round its bit could be wiped out unseen. */
static void mmio_interrupt(void *argument)
{
    struct virtio_mmio *mmio = argument;
    uint32_t events = mmio_read32(mmio->base + INTERRUPT_STATUS) &
                      (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG);
    if (!events)
        return;
    mmio_write32(mmio->base + INTERRUPT_ACK, events);
    device_barrier();
    virtio_interrupt(&mmio->device, events);
}

/* 4.2.3.1.1: magic number and version, then the device id, then nothing more if that is 0. True if
 * a device of a version that we can drive is there. */
static bool mmio_identify(struct virtio_mmio *mmio, unsigned slot)
{
    uint32_t magic = mmio_read32(mmio->base + MAGIC_VALUE);
    if (magic != MAGIC) {
        kprintf("virtio-mmio slot %u: magic 0x%x, expected 0x%x\n", slot, magic, MAGIC);
        return false;
    }
    uint32_t version = mmio_read32(mmio->base + VERSION);
    /* At the same place in every version; an empty slot is nothing to talk about. */
    mmio->device.id = mmio_read32(mmio->base + DEVICE_ID);
    if (mmio->device.id == 0)
        return false;
    if (version == VERSION_MODERN)
        return true;
    kprintf("virtio-mmio slot %u: device type %u has version %u, expected %u%s\n", slot,
            mmio->device.id, version, VERSION_MODERN,
            version == VERSION_LEGACY ? ": pass -global virtio-mmio.force-legacy=false to QEMU"
                                      : "");
    return false;
}

/* The handler goes in before the device can raise an interrupt, and tolerates that no driver is there yet. A
 * device that its driver gives up keeps its handler, which then has nobody to call. */
static void mmio_probe(unsigned slot)
{
    struct virtio_mmio *mmio = &slots[slot];
    mmio->base = VIRTIO_MMIO(slot);
    if (!mmio_identify(mmio, slot))
        return;
    mmio->device.transport = &mmio_transport;
    snprintf(mmio->device.name, sizeof(mmio->device.name), "virtio-mmio slot %u", slot);
    int error = irq_register(VIRTIO_MMIO_IRQ(slot), mmio_interrupt, mmio);
    if (error)
        kprintf("%s: no interrupt, error %d\n", mmio->device.name, error);
    else
        virtio_attach(&mmio->device);
}

/* QEMU puts the first -device of its command line into the highest slot and fills downwards.
 * Probing in the same order gives names in the order of the command line: the first disk is disk 0,
 * the first network device virtio0. */
void virtio_mmio_init(void)
{
    for (unsigned slot = VIRTIO_MMIO_SLOTS; slot-- > 0;)
        mmio_probe(slot);
}
