/* Driver for the virtio network device (virtio 1.2, 5.1), as a netdev: finding, starting, stopping
 * and recovering it. Frames are the business of virtio_net_data.c.
 *
 * Probing reads the configuration and reserves the rings' memory, then leaves the device reset.
 * Each open initialises it from the start (3.1.1), each stop resets it, which is what makes it give
 * back what is in the rings (3.3.1). So the driver recovers from an error of the device by a stop
 * and an open.
 *
 * A device that breaks the rings' rules, asks for a reset, or sends nothing for long is started anew by
 * the poll thread, with the frames that wait kept. If that has helped for less than RECOVERY_INTERVAL, it
 * is given up for good: the interface is marked broken, its link is down.
 */
#include "dev/virtio_net.h"

#include "dev/virtio_net_internal.h"

#include "abi/errno.h"
#include "lib/format.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "proc/clock.h"

#define RING_SIZE         256u
#define CONTROL_RING_SIZE 4u
#define MTU_DEFAULT       1500u
#define MTU_MIN           68u /* RFC 791, 3.2 */
#define MTU_MAX           (MBUF_DATA_SIZE - ETHERNET_HEADER)
#define RECOVERY_INTERVAL NS_PER_SEC

/* CTRL_RX comes on top where CTRL_VQ is: without that it must not be accepted (5.1.3.1). */
#define FEATURES                                                                                   \
    (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC |           \
     VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ)

_Static_assert(sizeof(struct virtio_net) <= PAGE_SIZE, "a device's record is one page");

/* --- starting and stopping; all under `life` --- */

/* With both locks held, so whoever holds one of them sees no change under way. */
static void running_set(struct virtio_net *net, bool running)
{
    spinlock_acquire(&net->rx_lock);
    spinlock_acquire(&net->tx_lock);
    net->running = running;
    net->tx_waiting_since = 0;
    net->tx_stalled = false;
    spinlock_release(&net->tx_lock);
    spinlock_release(&net->rx_lock);
}

/* After a reset: frees the mbufs in the rings, and counts the frames that are lost with them: received
 * ones that nobody has taken, and those to send that are not known to be sent. A broken ring does
 * not tell what was done. */
static void rings_empty(struct virtio_net *net)
{
    struct netdev_counters *counters = &net->dev.counters;
    void *token;
    uint32_t written;

    for (; virtq_get(net->rx, &token, &written) > 0; counters->rx_reset++)
        mbuf_free(token);
    while ((token = virtq_reclaim(net->rx)))
        mbuf_free(token);
    while (virtq_get(net->tx, &token, &written) > 0)
        mbuf_free(token);
    for (; (token = virtq_reclaim(net->tx)); counters->tx_reset++)
        mbuf_free(token);
}

/* Stops the device and empties its rings; frames that wait stay. Also ends a start that failed half
 * way. If the device does not confirm the reset it may still write to the mbufs: they stay its own,
 * and it is given up, for good. */
static int device_halt(struct virtio_net *net)
{
    running_set(net, false);
    int error = virtio_reset(net->device);
    if (error) {
        net->dev.broken = true;
        return error;
    }
    rings_empty(net);
    virtio_net_control_empty(net);
    return 0;
}

/* The state of the link. Without the feature STATUS it is always up (5.1.4.2). */
static bool link_read(struct virtio_net *net)
{
    uint16_t status;
    if (!(net->device->features & VIRTIO_NET_F_STATUS))
        return true;
    if (virtio_config_read(net->device, VIRTIO_NET_CONFIG_STATUS, &status, sizeof(status), 1))
        return net->dev.link_up;
    return status & VIRTIO_NET_S_LINK_UP;
}

/* Step 7 of 3.1.1, with the receive ring filled before the device goes live. */
static int device_set_up(struct virtio_net *net)
{
    int error = virtq_start(net->rx);
    if (!error)
        error = virtq_start(net->tx);
    if (!error && net->control)
        error = virtq_start(net->control);
    if (!error)
        error = virtio_net_rx_fill(net);
    return error;
}

/* Steps 1 to 6. A device that offers less than when it was probed cannot be used: the stack leaves checksums
 * to it, and CTRL_RX is accepted if offered, because there was CTRL_VQ (5.1.6.2.1, 5.1.3.1). */
static int device_negotiate(struct virtio_net *net)
{
    int error = virtio_negotiate(net->device, net->understood);
    uint64_t missing = net->needed & ~net->device->features;
    if (error || !missing)
        return error;
    kprintf("%s: features 0x%lx are not offered any more\n", net->dev.name, missing);
    virtio_fail(net->device);
    return -EPROTO;
}

/* Steps 1 to 8. The doorbell for the receive ring may be rung only after the last. */
static int device_start(struct virtio_net *net)
{
    int error = device_negotiate(net);
    if (error)
        return error;
    error = device_set_up(net);
    if (error) {
        kprintf("%s: cannot start, error %d\n", net->dev.name, error);
        virtio_fail(net->device);
        device_halt(net);
        return error;
    }
    virtio_driver_ok(net->device);
    virtio_net_rx_kick(net);
    running_set(net, true);
    error = virtio_net_receive_mode_apply(net);
    if (error) {
        device_halt(net);
        return error;
    }
    netdev_set_link(&net->dev, link_read(net));
    return 0;
}

/* Thread context. Called when the interface goes up: the device starts from nothing. */
static int virtio_net_open(struct netdev *dev)
{
    struct virtio_net *net = dev->driver;
    sleeplock_acquire(&net->life);
    int error = device_start(net);
    sleeplock_release(&net->life);
    return error;
}

/* Thread context. No poll is under way, but senders may still come: they find `running` false. */
static void virtio_net_stop(struct netdev *dev)
{
    struct virtio_net *net = dev->driver;
    sleeplock_acquire(&net->life);
    device_halt(net);
    virtio_net_drop_waiting(net);
    sleeplock_release(&net->life);
}

/* Between its start and its end senders find no device that is down: their frames wait. */
static void recovering_set(struct virtio_net *net, bool recovering)
{
    spinlock_acquire(&net->tx_lock);
    net->recovering = recovering;
    spinlock_release(&net->tx_lock);
}

/* Poll thread. The device has failed: what it holds is lost, what waits is sent after a new start.
 */
static void device_recover(struct virtio_net *net)
{
    uint64_t now = clock_ns();
    bool again = net->recovered_at && now - net->recovered_at < RECOVERY_INTERVAL;

    kprintf("%s: reset after an error of the device\n", net->dev.name);
    net->dev.counters.restarts++;
    net->recovered_at = now;
    recovering_set(net, !again);
    int error = device_halt(net);
    if (!error)
        error = again ? -EIO : device_start(net);
    recovering_set(net, false);
    if (!error) {
        netdev_schedule(&net->dev); /* a poll sends what waits */
        return;
    }
    kprintf("%s: given up\n", net->dev.name);
    /* Want of memory is no fault of the device's: it may be taken down and up again. */
    if (error != -ENOMEM)
        net->dev.broken = true;
    netdev_set_link(&net->dev, false);
    virtio_net_drop_waiting(net);
}

void virtio_net_attend(struct virtio_net *net)
{
    sleeplock_acquire(&net->life);
    /* First the flag, then the look: what happens in between sets it again. */
    __atomic_store_n(&net->attention, false, __ATOMIC_SEQ_CST);
    if (net->running) {
        bool broken = virtq_broken(net->rx) || virtq_broken(net->tx) ||
                      (net->control && virtq_broken(net->control));
        if (broken || virtio_needs_reset(net->device) || virtio_net_tx_has_stalled(net))
            device_recover(net);
        else
            netdev_set_link(&net->dev, link_read(net));
    }
    sleeplock_release(&net->life);
}

static const struct netdev_ops virtio_net_ops = {
    .open = virtio_net_open,
    .stop = virtio_net_stop,
    .transmit = virtio_net_transmit,
    .transmit_all = virtio_net_transmit_all,
    .flush = virtio_net_flush,
    .poll = virtio_net_poll,
    .irq_on = virtio_net_irq_on,
    .irq_off = virtio_net_irq_off,
    .set_receive_mode = virtio_net_set_receive_mode,
};

/* --- probing --- */

/* The device's address; without the feature MAC a locally administered unicast one (5.1.4.2),
 * different for each device and, by the time it took to boot, for each machine. */
static int mac_read(struct virtio_net *net)
{
    uint8_t *mac = net->dev.mac;
    if (net->device->features & VIRTIO_NET_F_MAC)
        return virtio_config_read(net->device, VIRTIO_NET_CONFIG_MAC, mac, 1,
                                  ETHERNET_ADDRESS_LENGTH);
    /* The multiplication by an odd constant spreads the clock's low bits over the upper ones. */
    uint64_t mixed = (clock_ns() ^ (uintptr_t)net->device) * 0x9e3779b97f4a7c15ull;
    memcpy(mac, (uint8_t *)&mixed + 2, ETHERNET_ADDRESS_LENGTH);
    mac[0] = (uint8_t)((mac[0] | 0x02) & ~0x01);
    return 0;
}

/* Steps 1 to 6, and the choice of an MTU. One that our buffers cannot hold must not be accepted
 * (5.1.4.2), and is known only when the feature is: then once more without it. */
static int mtu_negotiate(struct virtio_net *net)
{
    uint16_t mtu = MTU_DEFAULT;
    net->understood = FEATURES;
    int error = virtio_negotiate(net->device, net->understood);
    if (error)
        return error;
    if ((net->device->features & VIRTIO_NET_F_MTU) &&
        virtio_config_read(net->device, VIRTIO_NET_CONFIG_MTU, &mtu, sizeof(mtu), 1)) {
        virtio_fail(net->device);
        return -EIO;
    }
    if (mtu < MTU_MIN || mtu > MTU_MAX) {
        kprintf("%s: MTU %u, expected %u to %u: using %u\n", net->device->name, mtu, MTU_MIN,
                MTU_MAX, MTU_DEFAULT);
        mtu = MTU_DEFAULT;
        net->understood &= ~VIRTIO_NET_F_MTU;
        error = virtio_negotiate(net->device, net->understood);
    }
    net->dev.mtu = net->dev.mtu_max = mtu;
    return error;
}

/* A queue that cannot hold a command is as good as none: then the feature is not accepted either. */
static int control_create(struct virtio_net *net)
{
    net->control = virtq_create(net->device, VIRTIO_NET_CONTROL_QUEUE, CONTROL_RING_SIZE);
    if (!net->control)
        return -ENODEV;
    if (virtq_size(net->control) >= CONTROL_SEGMENTS) {
        net->understood |= VIRTIO_NET_F_CTRL_RX; /* for the negotiations to come */
        return 0;
    }
    kprintf("%s: control queue of %u entries, expected at least %u: not used\n", net->device->name,
            virtq_size(net->control), CONTROL_SEGMENTS);
    virtq_destroy(net->control);
    net->control = NULL;
    net->understood &= ~VIRTIO_NET_F_CTRL_VQ;
    return 0;
}

/* Reserves the memory for the rings. The device is not told of it yet. */
static int queues_create(struct virtio_net *net)
{
    int error = 0;
    net->rx = virtq_create(net->device, VIRTIO_NET_RECEIVE_QUEUE, RING_SIZE);
    net->tx = virtq_create(net->device, VIRTIO_NET_TRANSMIT_QUEUE, RING_SIZE);
    if (net->device->features & VIRTIO_NET_F_CTRL_VQ)
        error = control_create(net);
    return net->rx && net->tx ? error : -ENODEV;
}

/* Finds out what the device is, and leaves it reset: quiet until it is opened. */
static int net_discover(struct virtio_net *net)
{
    int error = mtu_negotiate(net);
    if (error)
        return error;
    error = mac_read(net);
    if (!error)
        error = queues_create(net);
    if (error) {
        virtio_fail(net->device);
        return error;
    }
    net->dev.link_up = link_read(net);
    net->dev.offload_checksum = net->device->features & VIRTIO_NET_F_CSUM;
    /* What it does not offer now is not accepted later: an MTU, for one, has been read now or never. */
    net->understood &= net->device->features | VIRTIO_NET_F_CTRL_RX;
    net->needed =
        net->device->features & net->understood & (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_CTRL_VQ);
    return virtio_reset(net->device);
}

/* Makes it a network device of the kernel, named in the order of probing; it stays down until somebody
 * configures it. */
static int net_register(struct virtio_net *net)
{
    static unsigned devices;
    struct netdev *dev = &net->dev;

    snprintf(dev->name, sizeof(dev->name), "virtio%u", devices);
    dev->ops = &virtio_net_ops;
    dev->driver = net;
    int error = netdev_register(dev);
    if (error)
        return error;
    devices++;
    const uint8_t *mac = dev->mac;
    kprintf("%s: %s, address %02x:%02x:%02x:%02x:%02x:%02x, mtu %u%s\n", dev->name,
            net->device->name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], dev->mtu,
            dev->offload_checksum ? ", checksum offload" : "");
    strlcpy(net->device->name, dev->name, sizeof(net->device->name));
    return 0;
}

/* The record and the rings' memory stay for good once the device is registered. */
static int net_probe(struct virtio_device *device)
{
    struct virtio_net *net = page_alloc_zeroed();
    if (!net)
        return -ENOMEM;
    net->device = device;
    sleeplock_init(&net->life, "virtio_net life");
    spinlock_init(&net->rx_lock, "virtio_net receive");
    spinlock_init(&net->tx_lock, "virtio_net transmit");
    spinlock_init(&net->control_lock, "virtio_net control");
    waitq_init(&net->control_done, &net->control_lock);

    int error = net_discover(net);
    if (!error)
        error = net_register(net);
    if (error) {
        /* No queue was started, so the device owns nothing. */
        virtq_destroy(net->rx);
        virtq_destroy(net->tx);
        virtq_destroy(net->control);
        page_free(net);
        return error;
    }
    WRITE_ONCE(device->context, net);
    return 0;
}

/* Frames have come, or room for waiting ones, or there is something to attend to, since the link changed or
 * the device has failed: in any case a matter for the poll thread. Who waits for the answer to a command
 * looks for itself. */
static void net_interrupt(struct virtio_device *device, uint32_t events)
{
    struct virtio_net *net = device->context;
    if ((events & VIRTIO_INTERRUPT_QUEUE) && READ_ONCE(net->commanding))
        virtio_net_control_event(net);
    if (events & VIRTIO_INTERRUPT_CONFIG)
        __atomic_store_n(&net->attention, true, __ATOMIC_RELEASE);
    netdev_interrupt(&net->dev);
}

const struct virtio_driver virtio_net_driver = {
    .device_id = VIRTIO_ID_NET,
    .name = "network",
    .probe = net_probe,
    .interrupt = net_interrupt,
};
