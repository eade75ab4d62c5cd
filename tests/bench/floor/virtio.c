/* virtio-net for the floor: split rings with event index, on memory-mapped registers and on PCI
 * (virtio 1.2).
 *
 * A frame is one descriptor, with the virtio header in front of it in the same buffer.
 * Transmission never interrupts: what has been sent is taken back when there is something else
 * to do. The two transports differ in where registers are; a started queue is the same to both.
 */
#include "arch/barrier.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "nic.h"
#include "pci.h"
#include "virtio/virtio.h"

#define MASK             (RING_SIZE - 1)
#define DESCRIPTOR_WRITE 2u
#define RECEIVE          0
#define TRANSMIT         1
#define FEATURES         (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX)
#define STATUS_FEATURES                                                                            \
    (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK)
#define STATUS_RUNNING (STATUS_FEATURES | VIRTIO_STATUS_DRIVER_OK)

/* Memory-mapped registers (4.2.2, table 4.1) */
#define MMIO_VERSION             0x004
#define MMIO_DEVICE_ID           0x008
#define MMIO_DRIVER_FEATURES     0x020
#define MMIO_DRIVER_FEATURES_SEL 0x024
#define MMIO_QUEUE_SEL           0x030
#define MMIO_QUEUE_NUM           0x038
#define MMIO_QUEUE_READY         0x044
#define MMIO_QUEUE_NOTIFY        0x050
#define MMIO_INTERRUPT_STATUS    0x060
#define MMIO_INTERRUPT_ACK       0x064
#define MMIO_STATUS              0x070
#define MMIO_QUEUE_DESC          0x080
#define MMIO_QUEUE_DRIVER        0x090
#define MMIO_QUEUE_DEVICE        0x0a0

/* The areas that the device sees (2.7.5, 2.7.6, 2.7.8), and beside them what is ours. */
struct queue {
    struct {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    } descriptors[RING_SIZE] __attribute__((aligned(16)));
    struct {
        uint16_t flags, index, heads[RING_SIZE], used_event;
    } available;
    volatile struct {
        uint16_t flags, index;
        struct {
            uint32_t id, length;
        } elements[RING_SIZE];
        uint16_t avail_event;
    } used __attribute__((aligned(4)));

    uintptr_t doorbell;
    uint32_t number;
    uint16_t added, published, used_next;
    uint16_t free_count, free_ids[RING_SIZE];
    struct packet *packets[RING_SIZE]; /* by descriptor */
};

static struct queue queues[2];
static uintptr_t interrupt_status; /* of PCI; reading it acknowledges (4.1.4.5) */
static uintptr_t mmio_base;        /* 0 on PCI */

static bool queue_add(struct queue *queue, struct packet *packet, uint32_t length, uint16_t flags)
{
    if (queue->free_count == 0)
        return false;
    uint16_t id = queue->free_ids[--queue->free_count];
    queue->packets[id] = packet;
    queue->descriptors[id].address = (uintptr_t)packet->virtio_header;
    queue->descriptors[id].length = length;
    queue->descriptors[id].flags = flags;
    queue->available.heads[queue->added++ & MASK] = id;
    return true;
}

/* Publishes what was added, and rings if the device asks for it (2.7.13.3, 2.7.13.4, 2.7.10). */
static void queue_flush(struct queue *queue)
{
    uint16_t old = queue->published, new = queue->added;

    if (old == new)
        return;
    dma_publish();
    WRITE_ONCE(queue->available.index, new);
    queue->published = new;
    dma_handshake();
    if ((uint16_t)(new - queue->used.avail_event - 1) >= (uint16_t)(new - old))
        return;
    floor_doorbells++;
    mmio_write32(queue->doorbell, queue->number);
}

/* The floor trusts the device, as a driver must not. */
static struct packet *queue_get(struct queue *queue, uint32_t *length)
{
    if (queue->used.index == queue->used_next)
        return NULL;
    dma_consume();
    uint32_t id = queue->used.elements[queue->used_next & MASK].id;
    *length = queue->used.elements[queue->used_next & MASK].length;
    queue->used_next++;
    queue->free_ids[queue->free_count++] = (uint16_t)id;
    return queue->packets[id];
}

static bool post(struct packet *packet)
{
    return queue_add(&queues[RECEIVE], packet, VIRTIO_NET_HEADER + PACKET_ROOM, DESCRIPTOR_WRITE);
}

static bool send(struct packet *packet)
{
    for (int i = 0; i < VIRTIO_NET_HEADER; i += 4)
        *(uint32_t *)(packet->virtio_header + i) = 0; /* no offload is asked for */
    return queue_add(&queues[TRANSMIT], packet, VIRTIO_NET_HEADER + packet->length, 0);
}

static struct packet *receive(void)
{
    uint32_t length;
    struct packet *packet = queue_get(&queues[RECEIVE], &length);

    if (packet)
        packet->length = (uint16_t)(length - VIRTIO_NET_HEADER);
    return packet;
}

static struct packet *sent(void)
{
    uint32_t length;
    return queue_get(&queues[TRANSMIT], &length);
}

static void flush(void)
{
    queue_flush(&queues[TRANSMIT]);
    queue_flush(&queues[RECEIVE]);
}

/* An event that has passed does not come again, so nothing needs to disarm (2.7.7.2). For
 * transmission it is kept out of reach. */
static bool arm(void)
{
    struct queue *rx = &queues[RECEIVE], *tx = &queues[TRANSMIT];

    WRITE_ONCE(tx->available.used_event, (uint16_t)(tx->used_next - 1));
    WRITE_ONCE(rx->available.used_event, rx->used_next);
    dma_handshake();
    return rx->used.index != rx->used_next;
}

static void acknowledge(void)
{
    if (mmio_base)
        mmio_write32(mmio_base + MMIO_INTERRUPT_ACK,
                     mmio_read32(mmio_base + MMIO_INTERRUPT_STATUS));
    else
        mmio_read8(interrupt_status);
}

static struct nic nic = {
    .post = post,
    .send = send,
    .receive = receive,
    .sent = sent,
    .flush = flush,
    .arm = arm,
    .acknowledge = acknowledge,
};

static void queue_reset(uint32_t number, uintptr_t doorbell)
{
    struct queue *queue = &queues[number];

    queue->number = number;
    queue->doorbell = doorbell;
    while (queue->free_count < RING_SIZE) {
        queue->free_ids[queue->free_count] = (uint16_t)(RING_SIZE - 1 - queue->free_count);
        queue->free_count++;
    }
    queue->available.used_event = 0xffff;
}

/* --- memory-mapped registers (4.2.3) --- */

static void mmio_start(uintptr_t base)
{
    mmio_write32(base + MMIO_STATUS, 0);
    mmio_write32(base + MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    for (unsigned half = 0; half < 2; half++) {
        mmio_write32(base + MMIO_DRIVER_FEATURES_SEL, half);
        mmio_write32(base + MMIO_DRIVER_FEATURES, (uint32_t)(FEATURES >> (32 * half)));
    }
    mmio_write32(base + MMIO_STATUS, STATUS_FEATURES);
    for (unsigned number = RECEIVE; number <= TRANSMIT; number++) {
        struct queue *queue = &queues[number];
        queue_reset(number, base + MMIO_QUEUE_NOTIFY);
        mmio_write32(base + MMIO_QUEUE_SEL, number);
        mmio_write32(base + MMIO_QUEUE_NUM, RING_SIZE);
        mmio_write32(base + MMIO_QUEUE_DESC, (uint32_t)(uintptr_t)queue->descriptors);
        mmio_write32(base + MMIO_QUEUE_DRIVER, (uint32_t)(uintptr_t)&queue->available);
        mmio_write32(base + MMIO_QUEUE_DEVICE, (uint32_t)(uintptr_t)&queue->used);
        mmio_write32(base + MMIO_QUEUE_READY, 1);
    }
    mmio_write32(base + MMIO_STATUS, STATUS_RUNNING);
}

const struct nic *virtio_mmio_find(void)
{
    for (unsigned slot = 0; slot < VIRTIO_MMIO_SLOTS; slot++) {
        uintptr_t base = VIRTIO_MMIO(slot);
        if (mmio_read32(base + MMIO_DEVICE_ID) != VIRTIO_ID_NET ||
            mmio_read32(base + MMIO_VERSION) != 2)
            continue;
        mmio_base = base;
        mmio_start(base);
        nic.name = "virtio-mmio";
        nic.interrupt = VIRTIO_MMIO_IRQ(slot);
        return &nic;
    }
    return NULL;
}

/* --- PCI (4.1.3, 4.1.4) --- */

#define PCI_VIRTIO_NET        (0x1041u << 16 | 0x1af4)
#define CAPABILITY_VENDOR     0x09
#define CAPABILITY_COMMON     1
#define CAPABILITY_NOTIFY     2
#define CAPABILITY_ISR        3
#define CAPABILITY_TYPE       3 /* offsets inside a capability */
#define CAPABILITY_BAR        4
#define CAPABILITY_OFFSET     8
#define CAPABILITY_MULTIPLIER 16

#define COMMON_FEATURES_SELECT 0x08
#define COMMON_FEATURES        0x0c
#define COMMON_STATUS          0x14
#define COMMON_QUEUE_SELECT    0x16
#define COMMON_QUEUE_SIZE      0x18
#define COMMON_QUEUE_ENABLE    0x1c
#define COMMON_QUEUE_NOTIFY    0x1e
#define COMMON_QUEUE_DESC      0x20
#define COMMON_QUEUE_DRIVER    0x28
#define COMMON_QUEUE_DEVICE    0x30

/* Where the capability of a type is in the card's configuration space (4.1.4). */
static uintptr_t capability_find(uintptr_t config, uint8_t type)
{
    uint8_t offset = mmio_read8(config + PCI_CAPABILITIES);

    while (offset) {
        uintptr_t at = config + offset;
        if (mmio_read8(at) == CAPABILITY_VENDOR && mmio_read8(at + CAPABILITY_TYPE) == type)
            return at;
        offset = mmio_read8(at + 1);
    }
    return 0;
}

static void pci_virtio_start(uintptr_t common, uintptr_t notify, uint32_t multiplier)
{
    mmio_write8(common + COMMON_STATUS, 0);
    while (mmio_read8(common + COMMON_STATUS) != 0)
        ;
    mmio_write8(common + COMMON_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    for (unsigned half = 0; half < 2; half++) {
        mmio_write32(common + COMMON_FEATURES_SELECT, half);
        mmio_write32(common + COMMON_FEATURES, (uint32_t)(FEATURES >> (32 * half)));
    }
    mmio_write8(common + COMMON_STATUS, STATUS_FEATURES);
    for (unsigned number = RECEIVE; number <= TRANSMIT; number++) {
        struct queue *queue = &queues[number];
        mmio_write16(common + COMMON_QUEUE_SELECT, (uint16_t)number);
        queue_reset(number, notify + mmio_read16(common + COMMON_QUEUE_NOTIFY) * multiplier);
        mmio_write16(common + COMMON_QUEUE_SIZE, RING_SIZE);
        mmio_write32(common + COMMON_QUEUE_DESC, (uint32_t)(uintptr_t)queue->descriptors);
        mmio_write32(common + COMMON_QUEUE_DRIVER, (uint32_t)(uintptr_t)&queue->available);
        mmio_write32(common + COMMON_QUEUE_DEVICE, (uint32_t)(uintptr_t)&queue->used);
        mmio_write16(common + COMMON_QUEUE_ENABLE, 1);
    }
    mmio_write8(common + COMMON_STATUS, STATUS_RUNNING);
}

/* In QEMU all structures lie in one window. */
const struct nic *virtio_pci_find(void)
{
    int slot = pci_find(PCI_VIRTIO_NET);

    if (slot < 0)
        return NULL;
    uintptr_t config = PCI_CONFIG(slot);
    uintptr_t common = capability_find(config, CAPABILITY_COMMON);
    uintptr_t notify = capability_find(config, CAPABILITY_NOTIFY);
    uintptr_t isr = capability_find(config, CAPABILITY_ISR);
    if (!common || !notify || !isr)
        return NULL;
    uintptr_t base = pci_start(slot, mmio_read8(common + CAPABILITY_BAR));
    interrupt_status = base + mmio_read32(isr + CAPABILITY_OFFSET);
    pci_virtio_start(base + mmio_read32(common + CAPABILITY_OFFSET),
                     base + mmio_read32(notify + CAPABILITY_OFFSET),
                     mmio_read32(notify + CAPABILITY_MULTIPLIER));
    nic.name = "virtio-pci";
    nic.interrupt = PCI_INTX_IRQ(slot, 1);
    return &nic;
}
