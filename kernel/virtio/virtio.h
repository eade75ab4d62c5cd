/* Virtio, version 1.2 (OASIS): what transports, virtqueues and drivers say to each other.
 *
 * Three parties that know nothing of each other's inside:
 *   - a transport (virtio_mmio.c, virtio_pci.c) finds devices and knows their registers. It fills in a
 *     struct virtio_device with its operations, hands it to virtio_attach(), and reports interrupts with
 *     virtio_interrupt();
 *   - virtq.c knows the rings in memory and asks the transport only for set-up and doorbells;
 *   - a driver (dev/virtio_blk.c, dev/virtio_net.c) knows one device type's requests.
 * virtio.c holds what is common: the initialisation of 3.1.1, the configuration space protocol, and
 * the table that leads from a device id to its driver. A further transport touches neither rings
 * nor drivers.
 *
 * Everything in memory and in registers is little-endian (1.4), as is the machine.
 */
#ifndef VIRTIO_VIRTIO_H
#define VIRTIO_VIRTIO_H

#include "lib/types.h"

/* Device status bits (2.1) */
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01u
#define VIRTIO_STATUS_DRIVER      0x02u
#define VIRTIO_STATUS_DRIVER_OK   0x04u
#define VIRTIO_STATUS_FEATURES_OK 0x08u
#define VIRTIO_STATUS_NEEDS_RESET 0x40u
#define VIRTIO_STATUS_FAILED      0x80u

/* Feature bits that are not of one device type (chapter 6), as masks, never as numbers */
#define VIRTIO_FEATURE(bit)      (1ull << (bit))
#define VIRTIO_F_EVENT_IDX       VIRTIO_FEATURE(29)
#define VIRTIO_F_VERSION_1       VIRTIO_FEATURE(32)
#define VIRTIO_F_ACCESS_PLATFORM VIRTIO_FEATURE(33)
#define VIRTIO_F_ORDER_PLATFORM  VIRTIO_FEATURE(36)

/* Device types (chapter 5) */
#define VIRTIO_ID_NET   1u
#define VIRTIO_ID_BLOCK 2u

/* Reasons of an interrupt: ISR status bits of PCI (4.1.4.5), InterruptStatus of MMIO (4.2.2) */
#define VIRTIO_INTERRUPT_QUEUE  0x1u
#define VIRTIO_INTERRUPT_CONFIG 0x2u

struct virtio_device;

/* What a transport provides. Any context; nothing here waits. */
struct virtio_transport {
    uint8_t (*status_get)(struct virtio_device *device);
    void (*status_set)(struct virtio_device *device, uint8_t status);
    uint64_t (*features_offered)(struct virtio_device *device);
    void (*features_accept)(struct virtio_device *device, uint64_t features);

    /* Configuration space: an access is as wide as the field (4.1.3.1, 4.2.2.2); offset in bytes.
     */
    uint8_t (*config_read8)(struct virtio_device *device, unsigned offset);
    uint16_t (*config_read16)(struct virtio_device *device, unsigned offset);
    uint32_t (*config_read32)(struct virtio_device *device, unsigned offset);
    uint32_t (*config_generation)(struct virtio_device *device);

    /* The largest size the queue can have; 0: there is no such queue. */
    unsigned (*queue_size_max)(struct virtio_device *device, unsigned queue);
    /* Tells the device where a queue is, and makes it live. Addresses are bus addresses. 0, -EBUSY
     * (the queue is live already). A queue is stopped by the reset of its device only. */
    int (*queue_start)(struct virtio_device *device, unsigned queue, unsigned size,
                       uintptr_t descriptors, uintptr_t driver_area, uintptr_t device_area);
    /* Rings the queue's doorbell, ordered behind every earlier store to memory. */
    void (*notify)(struct virtio_device *device, unsigned queue);
};

/* What a driver provides. */
struct virtio_driver {
    uint32_t device_id;
    const char *name;
    /* While the kernel boots, thread or boot context, no lock held: initialises the device and
     * registers it with the kernel. 0, or a negated errno: then the device has been reset, or has
     * been told that it FAILED, and is left alone from here on. */
    int (*probe)(struct virtio_device *device);
    /* Interrupt handler, once for each interrupt. `events`: one or both of VIRTIO_INTERRUPT_QUEUE, at least
     * one queue may have used buffers (must tolerate that none has), and VIRTIO_INTERRUPT_CONFIG, the
     * configuration has changed or the device needs a reset. */
    void (*interrupt)(struct virtio_device *device, uint32_t events);
};

struct virtio_device {
    const struct virtio_transport *transport; /* [I] */
    uint32_t id;                              /* [I] VIRTIO_ID_* */
    char name[32];                      /* [I after probe] for messages; the driver renames it */
    const struct virtio_driver *driver; /* [I after attach] NULL: none */
    void *context; /* [I after probe] the driver's record; no event is delivered while it is NULL */
    uint64_t features;    /* accepted in the last virtio_negotiate() */
    uint32_t config_size; /* [I] bytes of configuration space; 0: the transport does not tell */
};

/* The drivers there are; defined in dev/. */
extern const struct virtio_driver virtio_blk_driver, virtio_net_driver;

/* --- For transports --- */

/* Finds the driver for a device and has it probed. 0, -ENODEV (no driver), or the error of its
 * probe. The reason has been logged. */
int virtio_attach(struct virtio_device *device);

/* Interrupt handler, after the transport has acknowledged `events` (VIRTIO_INTERRUPT_*) to the
 * device. */
void virtio_interrupt(struct virtio_device *device, uint32_t events);

/* --- For drivers: 3.1.1 in the order of its steps --- */

/* Steps 1 to 6: resets the device, tells it that a driver is there, and accepts what is offered of
 * `understood` and of the features that the virtqueue code handles for every driver. Afterwards
 * device->features tells what holds. 0; -EIO: the device does not reset; -ENODEV: it lacks
 * VERSION_1; -EPROTO: it refuses the choice. The reason has been logged and, but for -EIO, the
 * device told FAILED. Thread or boot context: waits for the reset, for a bounded number of reads.
 */
int virtio_negotiate(struct virtio_device *device, uint64_t understood);

/* Step 7 is the driver's: virtq_create(), virtq_start(), virtio_config_read(). */

/* Step 8. From here on the device is live, and may be notified. */
void virtio_driver_ok(struct virtio_device *device);

/* Instead of step 8: gives the device up (FAILED). It must be reset before anything else. */
void virtio_fail(struct virtio_device *device);

/* Stops the device: once this has returned 0 it owns no memory of ours and all its queues are
 * stopped. -EIO: the device did not confirm, so whatever it was given must not be reused. Waits as
 * virtio_negotiate(). */
int virtio_reset(struct virtio_device *device);

/* Whether the device has stopped working and asks for a reset (2.1.2). */
bool virtio_needs_reset(struct virtio_device *device);

/* Reads `count` adjacent configuration fields of `width` bytes (1, 2 or 4) into an array of such
 * integers, all from the same generation of the configuration (2.5.1). Any context. 0; -EIO
 * (logged): the configuration did not stand still, or ends before these fields; then *to is
 * undefined. Only for fields whose feature, if any, was offered. */
int virtio_config_read(struct virtio_device *device, unsigned offset, void *to, unsigned width,
                       unsigned count);

#endif
