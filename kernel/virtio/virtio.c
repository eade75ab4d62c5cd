/* What all virtio transports and drivers have in common: initialisation and reset
 * (virtio 1.2, 3.1.1 and 2.4), consistent reads of the configuration space (2.5), and the way from
 * a device to its driver.
 *
 * A device can misbehave in every step: each wait is counted, and what is wrong is logged with the
 * device's name, what was expected and what was found. Nothing here takes a lock: a device is
 * initialised and reset by one thread at a time, which is its driver's business.
 */
#include "virtio/virtio.h"

#include "abi/errno.h"
#include "arch/barrier.h"
#include "lib/assert.h"
#include "lib/printf.h"

/* Offered by the device and handled here or in virtq.c, whatever the driver. ACCESS_PLATFORM costs
 * nothing: without an IOMMU the platform's bus addresses are the physical ones that we give anyway
 * (6.1); nor does ORDER_PLATFORM: our fences order against real hardware too. Not on the list, so
 * refused: RING_PACKED, INDIRECT_DESC and IN_ORDER (virtq.c is the plain split ring) and RING_RESET
 * (QEMU 7.2 offers it on MMIO without having the register). */
#define COMMON_FEATURES                                                                            \
    (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM)

/* About a second on the slowest bus (1 us a read): far more than any device needs, and still an
 * end. */
#define RESET_READS 1000000u
/* Each retry means that the configuration changed during the few reads of one attempt. */
#define CONFIG_ATTEMPTS 100u

static const struct virtio_driver *const drivers[] = {
    &virtio_blk_driver,
    &virtio_net_driver,
};

int virtio_attach(struct virtio_device *device)
{
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
        if (drivers[i]->device_id != device->id)
            continue;
        device->driver = drivers[i];
        int error = device->driver->probe(device);
        if (error)
            kprintf("%s: %s driver gives up, error %d\n", device->name, device->driver->name,
                    error);
        return error;
    }
    kprintf("%s: no driver for device type %u\n", device->name, device->id);
    return -ENODEV;
}

void virtio_interrupt(struct virtio_device *device, uint32_t events)
{
    /* An interrupt line can be raised before the driver is ready, or after it gave up. */
    if (!READ_ONCE(device->context))
        return;
    if (events & (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG))
        device->driver->interrupt(device, events);
}

/* A status write keeps every bit that was set before (2.1.1). */
static void status_add(struct virtio_device *device, uint8_t bits)
{
    device->transport->status_set(device, device->transport->status_get(device) | bits);
}

int virtio_reset(struct virtio_device *device)
{
    device->transport->status_set(device, 0);
    /* The reset is complete when the status reads 0, not before (2.4.2). */
    for (unsigned reads = 0; reads < RESET_READS; reads++) {
        if (device->transport->status_get(device) == 0) {
            /* What the device was given may be used again only after this read. */
            device_barrier();
            return 0;
        }
    }
    kprintf("%s: reset not complete: status 0x%x, expected 0\n", device->name,
            device->transport->status_get(device));
    return -EIO;
}

int virtio_negotiate(struct virtio_device *device, uint64_t understood)
{
    const struct virtio_transport *transport = device->transport;

    /* 1. Reset. */
    if (virtio_reset(device))
        return -EIO;

    /* 2. The guest has noticed the device. 3. It has a driver for it. */
    status_add(device, VIRTIO_STATUS_ACKNOWLEDGE);
    status_add(device, VIRTIO_STATUS_DRIVER);

    /* 4. Of what is offered, accept what is understood, and nothing else (2.2.1). */
    uint64_t offered = transport->features_offered(device);
    if (!(offered & VIRTIO_F_VERSION_1)) {
        kprintf("%s: VERSION_1 not among the offered features 0x%lx\n", device->name, offered);
        virtio_fail(device);
        return -ENODEV;
    }
    device->features = offered & (understood | COMMON_FEATURES);
    transport->features_accept(device, device->features);

    /* 5. The choice is complete. 6. Does the device agree? */
    status_add(device, VIRTIO_STATUS_FEATURES_OK);
    if (!(transport->status_get(device) & VIRTIO_STATUS_FEATURES_OK)) {
        kprintf("%s: features 0x%lx of the offered 0x%lx refused\n", device->name, device->features,
                offered);
        virtio_fail(device);
        return -EPROTO;
    }
    return 0;
}

void virtio_driver_ok(struct virtio_device *device) { status_add(device, VIRTIO_STATUS_DRIVER_OK); }

void virtio_fail(struct virtio_device *device) { status_add(device, VIRTIO_STATUS_FAILED); }

bool virtio_needs_reset(struct virtio_device *device)
{
    return device->transport->status_get(device) & VIRTIO_STATUS_NEEDS_RESET;
}

/* One access per field, of its width: a wider one may be refused or torn (4.1.3.1, 4.2.2.2). */
static void config_read_once(struct virtio_device *device, unsigned offset, void *to,
                             unsigned width, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned at = offset + i * width;
        switch (width) {
        case 1:
            ((uint8_t *)to)[i] = device->transport->config_read8(device, at);
            break;
        case 2:
            ((uint16_t *)to)[i] = device->transport->config_read16(device, at);
            break;
        default:
            ((uint32_t *)to)[i] = device->transport->config_read32(device, at);
        }
    }
}

int virtio_config_read(struct virtio_device *device, unsigned offset, void *to, unsigned width,
                       unsigned count)
{
    assert(width == 1 || width == 2 || width == 4);
    if (device->config_size && offset + width * count > device->config_size) {
        kprintf("%s: configuration of %u bytes, expected at least %u\n", device->name,
                device->config_size, offset + width * count);
        return -EIO;
    }
    for (unsigned attempt = 0; attempt < CONFIG_ATTEMPTS; attempt++) {
        uint32_t before = device->transport->config_generation(device);
        config_read_once(device, offset, to, width, count);
        /* The same generation on both sides: all fields belong together (2.5.1). */
        if (device->transport->config_generation(device) == before)
            return 0;
    }
    kprintf("%s: configuration at offset %u changed during each of %u reads\n", device->name,
            offset, CONFIG_ATTEMPTS);
    return -EIO;
}
