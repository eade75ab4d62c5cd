/* See fakenet.h. */
#include "fakenet.h"

#include "mm/kalloc.h"
#include "net/capture.h"
#include "net/net.h"
#include "net/wire.h"

/* From <sanitizer/asan_interface.h>, whose includes collide with ours. */
void __asan_poison_memory_region(const volatile void *from, size_t n);
void __asan_unpoison_memory_region(const volatile void *from, size_t n);

static struct fakenet *fake_of(struct netdev *dev) { return dev->driver; }

static int fakenet_open(struct netdev *dev)
{
    fake_of(dev)->opened++;
    return fake_of(dev)->open_result;
}

static void fakenet_stop(struct netdev *dev)
{
    struct mbuf *m;
    fake_of(dev)->stopped++;
    mbuf_free_all(&fake_of(dev)->incoming);
    while ((m = netdev_tx_resume(dev)) != NULL)
        mbuf_free(m);
}

/* A copy on the heap, so that reading beyond its end is found, that begins like a frame in an mbuf: 2 bytes
 * before a multiple of 4. */
static uint8_t *frame_copy(const void *bytes, size_t n)
{
    uint8_t *copy = host_memory(FRAME_OFFSET + n);
    memcpy(copy + FRAME_OFFSET, bytes, n);
    return copy + FRAME_OFFSET;
}

static void record(struct fakenet *fake, const struct mbuf *m, bool more)
{
    assert_true(fake->frame_count < FAKENET_FRAMES_MAX);
    fake->frames[fake->frame_count++] = (struct fakenet_frame){
        .bytes = frame_copy(m->data, m->length),
        .length = m->length,
        .flags = m->flags,
        .csum_start = m->csum_start,
        .csum_offset = m->csum_offset,
        .more = more,
    };
    fake->dev.counters.tx_packets++;
}

static int fakenet_transmit(struct netdev *dev, struct mbuf *m, bool more)
{
    struct fakenet *fake = fake_of(dev);
    assert_int_equal(host_locks_held(), 0);
    assert_true(mbuf_headroom(m) >= FAKENET_HEADROOM);
    if (fake->refuse) {
        mbuf_free(m);
        return fake->refuse;
    }
    if (fake->room == 0)
        return netdev_tx_defer(dev, m);
    if (fake->room != FAKENET_ROOM_UNLIMITED)
        fake->room--;
    record(fake, m, more);
    fake->unannounced = more ? fake->unannounced + 1 : 0;
    mbuf_free(m);
    return 0;
}

static void fakenet_flush(struct netdev *dev)
{
    assert_int_equal(host_locks_held(), 0);
    fake_of(dev)->flushes++;
    fake_of(dev)->unannounced = 0;
}

static int fakenet_poll(struct netdev *dev, int budget)
{
    struct fakenet *fake = fake_of(dev);
    struct mbuf *m;
    int n = 0;
    assert_int_equal(host_locks_held(), 0);
    fake->polled++;
    fake->polled_with_irq += fake->irq_enabled;
    while (fake->room && (m = netdev_tx_resume(dev)) != NULL)
        fakenet_transmit(dev, m, false);
    struct list_node *node;
    struct list received;
    list_init(&received);
    while (n < budget && (node = list_pop_front(&fake->incoming)) != NULL) {
        list_push_back(&received, node);
        n++;
    }
    netdev_input(dev, &received);
    assert_true(list_empty(&received));
    return n;
}

static bool fakenet_irq_on(struct netdev *dev)
{
    struct fakenet *fake = fake_of(dev);
    fake->irq_enabled = true;
    if (fake->on_irq_on)
        fake->on_irq_on(fake);
    return fake->irq_on_result || !list_empty(&fake->incoming);
}

static void fakenet_irq_off(struct netdev *dev) { fake_of(dev)->irq_enabled = false; }

static const struct netdev_ops fakenet_ops = {
    .open = fakenet_open,
    .stop = fakenet_stop,
    .transmit = fakenet_transmit,
    .flush = fakenet_flush,
    .poll = fakenet_poll,
    .irq_on = fakenet_irq_on,
    .irq_off = fakenet_irq_off,
};

/* Between two mbufs lies what nobody may touch. Their contents are not 0, as they are not on a machine
 * that has run for a while. */
void fakenet_mbufs_make(unsigned count)
{
    struct list all;
    list_init(&all);
    assert_int_equal(mbuf_init(count), 0);
    mbuf_alloc_many(&all, count, MBUF_STACK);
    LIST_FOR_EACH (node, &all) {
        struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
        memset(m->buffer, 0xa5, sizeof(m->buffer));
        __asan_poison_memory_region(m + 1, MBUF_SIZE - sizeof(*m));
    }
    mbuf_free_all(&all);
}

void fakenet_stack_init(void)
{
    host_reset();
    if (mbuf_total() == 0)
        fakenet_mbufs_make(FAKENET_MBUFS);
    memset(net_counters, 0, sizeof(net_counters));
    capture_init();
    netdev_init();
    arp_init();
    ip_init();
    socket_init();
    loopback_init();
}

void fakenet_init(struct fakenet *fake, const char *name, uint8_t last)
{
    memset(fake, 0, sizeof(*fake));
    fake->room = FAKENET_ROOM_UNLIMITED;
    list_init(&fake->incoming);
    fake->dev.ops = &fakenet_ops;
    fake->dev.driver = fake;
    memcpy(fake->dev.mac, (uint8_t[]){0x52, 0x54, 0, 0, 0, last}, ETHERNET_ADDRESS_LENGTH);
    fake->dev.mtu = fake->dev.mtu_max = 1500;
    fake->dev.flags = IFF_BROADCAST | IFF_MULTICAST;
    fake->dev.link_up = true;
    strlcpy(fake->dev.name, name, sizeof(fake->dev.name));
    assert_int_equal(netdev_register(&fake->dev), 0);
    assert_int_equal(netdev_up(&fake->dev), 0);
}

struct mbuf *fakenet_mbuf(struct fakenet *fake, const void *bytes, size_t n)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    assert_non_null(m);
    /* At the end of the buffer, where a frame may begin (net/wire.h); the bytes left behind it are
     * forbidden. */
    uint8_t *end = m->buffer + sizeof(m->buffer);
    m->data = end - (ALIGN_UP(n + MBUF_RX_ALIGN % 8, 8) - MBUF_RX_ALIGN % 8);
    __asan_unpoison_memory_region(end - 16, 16);
    __asan_poison_memory_region(m->data + n, (size_t)(end - (m->data + n)));
    m->length = (uint32_t)n;
    m->dev = fake ? &fake->dev : NULL;
    if (n)
        memcpy(m->data, bytes, n);
    return m;
}

struct mbuf *frame_to_send(uint8_t mark)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    assert_non_null(m);
    memset(mbuf_append(m, FRAME), 0x11, FRAME);
    m->data[FRAME - 1] = mark;
    return m;
}

void fakenet_transmit_frames(struct netdev *dev, uint8_t first, unsigned n, bool more)
{
    struct list frames;
    list_init(&frames);
    for (unsigned i = 0; i < n; i++)
        list_push_back(&frames, &frame_to_send((uint8_t)(first + i))->node);
    dev->ops->transmit_all(dev, &frames, more);
    assert_true(list_empty(&frames));
    assert_int_equal(host_locks_held(), 0);
}

void fakenet_transmit_too_long(struct netdev *dev)
{
    struct list frames;
    list_init(&frames);
    for (uint8_t mark = 1; mark <= 3; mark++) {
        struct mbuf *m = frame_to_send(mark);
        if (mark == 2)
            mbuf_append(m, dev->mtu_max + 14 + 1 - FRAME);
        list_push_back(&frames, &m->node);
    }
    dev->ops->transmit_all(dev, &frames, false);
    assert_true(list_empty(&frames));
    assert_int_equal(dev->counters.tx_too_long, 1);
}

void fakenet_receive(struct fakenet *fake, const void *bytes, size_t n)
{
    struct list frames;
    list_init(&frames);
    list_push_back(&frames, &fakenet_mbuf(fake, bytes, n)->node);
    netdev_input(&fake->dev, &frames);
}

void fakenet_queue(struct fakenet *fake, const void *bytes, size_t n)
{
    struct mbuf *m = fakenet_mbuf(fake, bytes, n);
    mbuf_set_owner(m, MBUF_RX_RING);
    list_push_back(&fake->incoming, &m->node);
}

void fakenet_clear(struct fakenet *fake)
{
    for (unsigned i = 0; i < fake->frame_count; i++)
        host_memory_free(fake->frames[i].bytes - FRAME_OFFSET);
    fake->frame_count = 0;
}

void fakenet_assert_no_leak(void)
{
    for (int owner = MBUF_POOL + 1; owner < MBUF_OWNERS; owner++) {
        if (mbuf_count(owner) != 0)
            fail_msg("%u mbufs still belong to %s", mbuf_count(owner), mbuf_owner_name(owner));
    }
    assert_int_equal(mbuf_count(MBUF_POOL), mbuf_total());
}

/* --- Frames --- */

static void *frame_extend(struct frame *frame, size_t n)
{
    uint8_t *at = frame->bytes + frame->length;
    frame->length += n;
    assert_true(frame->length <= FRAME_MAX);
    return memset(at, 0, n);
}

void frame_ether(struct frame *frame, const uint8_t *to, const uint8_t *from, uint16_t type)
{
    struct ether_header *header = frame_extend(frame, sizeof(*header));
    memcpy(header->destination, to, sizeof(header->destination));
    memcpy(header->source, from, sizeof(header->source));
    header->type = htons(type);
}

void frame_arp(struct frame *frame, uint16_t operation, const uint8_t *sender_mac, be32_t sender_ip,
               const uint8_t *target_mac, be32_t target_ip)
{
    struct arp_packet *packet = frame_extend(frame, sizeof(*packet));
    packet->hardware_type = BE16(1);
    packet->protocol_type = BE16(0x0800);
    packet->hardware_length = 6;
    packet->protocol_length = 4;
    packet->operation = htons(operation);
    memcpy(packet->sender_mac, sender_mac, sizeof(packet->sender_mac));
    packet->sender_ip = sender_ip;
    if (target_mac)
        memcpy(packet->target_mac, target_mac, sizeof(packet->target_mac));
    packet->target_ip = target_ip;
}

/* Word by word, as the RFC has it: not the code under test. */
static uint16_t reference_checksum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i += 2)
        sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

void frame_ip_fix(struct frame *frame, size_t offset)
{
    struct ip_header *header = (struct ip_header *)(frame->bytes + offset);
    header->checksum = 0;
    header->checksum = reference_checksum((uint8_t *)header, (header->version_length & 15) * 4u);
}

void frame_ip(struct frame *frame, uint8_t protocol, be32_t from, be32_t to, size_t payload)
{
    size_t offset = frame->length;
    struct ip_header *header = frame_extend(frame, sizeof(*header));
    header->version_length = 0x45;
    header->total_length = htons((uint16_t)(sizeof(*header) + payload));
    header->ttl = 64;
    header->protocol = protocol;
    header->source = from;
    header->destination = to;
    frame_ip_fix(frame, offset);
}

void frame_data(struct frame *frame, uint8_t first, size_t n)
{
    uint8_t *at = frame_extend(frame, n);
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)(first + i);
}

void frame_icmp(struct frame *frame, uint8_t type, uint8_t code, be32_t rest, const void *data,
                size_t n)
{
    struct icmp_header *header = frame_extend(frame, sizeof(*header));
    header->type = type;
    header->code = code;
    header->unused = rest;
    uint8_t *at = frame_extend(frame, n);
    if (n)
        memmove(at, data, n);
    header->checksum = reference_checksum((uint8_t *)header, sizeof(*header) + n);
}
