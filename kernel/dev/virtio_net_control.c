/* The virtio network device's control queue (virtio 1.2, 5.1.6.5): commands about which frames the
 * device lets through (5.1.6.5.1).
 *
 * A command is a chain of what the device reads, class, command and one byte of data, and of one
 * byte that it writes: its answer. One command at a time, under `life`. Its bytes lie in the
 * device's record, so if no answer comes within ANSWER_TIMEOUT they are still there for a late one;
 * until that, or a reset, no other command is sent.
 *
 * The wait ends with the interrupt, which may be for another queue: control_lock covers the look at
 * the queue and the sleep, so no wake-up is lost. An interrupt that never comes costs the time-out,
 * after which the queue is looked at once more.
 */
#include "dev/virtio_net_internal.h"

#include "abi/errno.h"
#include "lib/printf.h"
#include "proc/clock.h"

#define ANSWER_TIMEOUT NS_PER_SEC

/* 1: the command is done; 0: not within its time; -EIO: the queue is broken. */
static int answer_wait(struct virtio_net *net, uint32_t *written)
{
    uint64_t deadline = clock_ns() + ANSWER_TIMEOUT;
    int slept = 0, got;
    void *token;
    spinlock_acquire(&net->control_lock);
    while ((got = virtq_get(net->control, &token, written)) == 0 && slept != -ETIMEDOUT) {
        if (!virtq_irq_enable(net->control))
            slept = waitq_sleep_uninterruptible(&net->control_done, deadline);
    }
    virtq_irq_disable(net->control);
    spinlock_release(&net->control_lock);
    return got;
}

/* Waits for the answer to the command under way, and judges it. */
static int answer_take(struct virtio_net *net)
{
    const struct virtio_net_command *command = &net->command;
    uint32_t written;
    int got = answer_wait(net, &written);
    if (got == 0)
        kprintf("%s: no answer to command %u.%u\n", net->dev.name, command->class,
                command->command);
    if (got < 0)
        virtio_net_request_attention(net);
    if (got <= 0)
        return -EIO;
    WRITE_ONCE(net->commanding, false);
    if (written == 1 && command->answer == VIRTIO_NET_CTRL_OK)
        return 0;
    kprintf("%s: command %u.%u refused\n", net->dev.name, command->class, command->command);
    return -EIO;
}

static int command_send(struct virtio_net *net, uint8_t class, uint8_t command, uint8_t data)
{
    struct virtio_net_command *c = &net->command;
    struct virtq_segment segments[] = {{&c->class, 3}, {&c->answer, 1}};
    if (net->commanding) /* its answer may have come in the meantime */
        answer_take(net);
    if (net->commanding)
        return -EBUSY;
    *c = (struct virtio_net_command){class, command, data, VIRTIO_NET_CTRL_ERROR};
    WRITE_ONCE(net->commanding, true); /* before the device can interrupt for it */
    if (virtq_add(net->control, segments, 1, 1, c)) {
        net->commanding = false;
        return -EIO;
    }
    if (virtq_kick(net->control))
        __atomic_fetch_add(&net->dev.counters.doorbells, 1, __ATOMIC_RELAXED);
    return answer_take(net);
}

/* Both commands, since what holds after a reset is the device's choice. */
int virtio_net_receive_mode_apply(struct virtio_net *net)
{
    uint16_t flags = READ_ONCE(net->dev.flags);
    if (!(net->device->features & VIRTIO_NET_F_CTRL_RX))
        return flags & (IFF_PROMISC | IFF_ALLMULTI) ? -EOPNOTSUPP : 0;
    int error = command_send(net, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC,
                             (flags & IFF_PROMISC) != 0);
    if (!error)
        error = command_send(net, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI,
                             (flags & IFF_ALLMULTI) != 0);
    return error;
}

/* A device that is not running gets its mode when it is started. */
int virtio_net_set_receive_mode(struct netdev *dev)
{
    struct virtio_net *net = dev->driver;
    sleeplock_acquire(&net->life);
    int error = net->running ? virtio_net_receive_mode_apply(net) : 0;
    sleeplock_release(&net->life);
    return error;
}

void virtio_net_control_event(struct virtio_net *net)
{
    spinlock_acquire(&net->control_lock);
    waitq_wake(&net->control_done);
    spinlock_release(&net->control_lock);
}

void virtio_net_control_empty(struct virtio_net *net)
{
    while (net->control && virtq_reclaim(net->control))
        ;
    net->commanding = false;
}
