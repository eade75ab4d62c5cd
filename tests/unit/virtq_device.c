/* The device model of virtq_device.h.
 *
 * Words of the trace: "status=XX" a write of the status, "?XX" a read of it, "offered" and
 * "accept=..." the features, "generation", "rN@O" a configuration read of N bits at offset O,
 * "start=Q" a queue made live, "notify=Q" its doorbell.
 */
#include "virtq_device.h"

#include <stdio.h>

/* Offsets and flags of the split ring (2.7.5, 2.7.6, 2.7.8), by number on purpose. */
#define F_NEXT     1
#define F_WRITE    2
#define F_INDIRECT 4

static uint16_t load16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t load32(const uint8_t *p) { return load16(p) | (uint32_t)load16(p + 2) << 16; }
static uint64_t load64(const uint8_t *p) { return load32(p) | (uint64_t)load32(p + 4) << 32; }

static void store16(uint8_t *p, uint16_t x)
{
    p[0] = (uint8_t)x;
    p[1] = (uint8_t)(x >> 8);
}

static void store32(uint8_t *p, uint32_t x)
{
    store16(p, (uint16_t)x);
    store16(p + 2, (uint16_t)(x >> 16));
}

static struct model *model_of(struct virtio_device *device)
{
    return CONTAINER_OF(device, struct model, device);
}

static void trace(struct model *model, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Long runs fill it; then the rest is not recorded. */
static void trace(struct model *model, const char *fmt, ...)
{
    size_t room = MODEL_TRACE - model->trace_length;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(model->trace + model->trace_length, room, fmt, args);
    va_end(args);
    if ((size_t)n < room)
        model->trace_length += (size_t)n;
    else
        model->trace[model->trace_length] = 0;
}

/* --- transport --- */

/* The reset takes effect: the device forgets its queues and what was negotiated. */
static void reset_end(struct model *model)
{
    if (model->last_moment)
        model->last_moment(model);
    for (unsigned q = 0; q < MODEL_QUEUES; q++)
        model->queues[q] = (struct model_queue){.size_max = model->queues[q].size_max};
    model->accepted = 0;
    model->status = 0;
    model->resetting = false;
}

static uint8_t status_get(struct virtio_device *device)
{
    struct model *model = model_of(device);
    if (model->at_status)
        model->at_status(model);
    if (model->resetting && model->reset_reads > 0) {
        model->reset_reads -= model->reset_reads != MODEL_NEVER;
    } else if (model->resetting) {
        reset_end(model);
    }
    trace(model, "?%x ", model->status);
    return model->status;
}

static void status_set(struct virtio_device *device, uint8_t status)
{
    struct model *model = model_of(device);
    trace(model, "status=%x ", status);
    if (status == 0) {
        model->resetting = true;
        return;
    }
    assert_false(model->resetting);                          /* RS-1: wait for the reset */
    assert_int_equal(status & model->status, model->status); /* ST-2: bits are only added */
    if ((status & VIRTIO_STATUS_FEATURES_OK) && model->refuse_features)
        status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
    model->status = status;
}

static uint64_t features_offered(struct virtio_device *device)
{
    trace(model_of(device), "offered ");
    return model_of(device)->offered;
}

static void features_accept(struct virtio_device *device, uint64_t features)
{
    struct model *model = model_of(device);
    trace(model, "accept=%llx ", (unsigned long long)features);
    assert_int_equal(features & ~model->offered, 0);                /* FB-1 */
    assert_int_equal(model->status & VIRTIO_STATUS_FEATURES_OK, 0); /* IN-8 */
    assert_int_not_equal(model->status & VIRTIO_STATUS_DRIVER, 0);  /* IN-0 */
    model->accepted = features;
}

static const uint8_t *config_at(struct virtio_device *device, unsigned offset, unsigned bits)
{
    struct model *model = model_of(device);
    trace(model, "r%u@%u ", bits, offset);
    assert_true(offset % (bits / 8) == 0 && offset + bits / 8 <= MODEL_CONFIG);
    return model->config + offset;
}

static uint8_t config_read8(struct virtio_device *device, unsigned offset)
{
    return *config_at(device, offset, 8);
}

static uint16_t config_read16(struct virtio_device *device, unsigned offset)
{
    return load16(config_at(device, offset, 16));
}

/* The moment at which a change does most harm: between the halves of what is read. */
static uint32_t config_read32(struct virtio_device *device, unsigned offset)
{
    struct model *model = model_of(device);
    uint32_t value = load32(config_at(device, offset, 32));
    if (model->config_flips > 0) {
        model->config_flips -= model->config_flips != MODEL_NEVER;
        model->generation++;
        if (model->config_flip)
            model->config_flip(model);
    }
    return value;
}

static uint32_t config_generation(struct virtio_device *device)
{
    trace(model_of(device), "generation ");
    return model_of(device)->generation;
}

static unsigned queue_size_max(struct virtio_device *device, unsigned queue)
{
    return queue < MODEL_QUEUES ? model_of(device)->queues[queue].size_max : 0;
}

static int queue_start(struct virtio_device *device, unsigned queue, unsigned size,
                       uintptr_t descriptors, uintptr_t driver_area, uintptr_t device_area)
{
    struct model *model = model_of(device);
    struct model_queue *q = &model->queues[queue];
    trace(model, "start=%u ", queue);
    assert_int_not_equal(model->status & VIRTIO_STATUS_FEATURES_OK, 0); /* IN-10 */
    assert_int_equal(model->status & VIRTIO_STATUS_DRIVER_OK, 0);
    assert_true(IS_POWER_OF_TWO(size) && size <= q->size_max && size <= MODEL_QUEUE_MAX);
    assert_int_equal(descriptors % 16, 0); /* SQ-1 */
    assert_int_equal(driver_area % 2, 0);
    assert_int_equal(device_area % 4, 0);
    if (q->live)
        return -EBUSY;
    q->live = true;
    q->size = size;
    q->descriptors = (uint8_t *)descriptors;
    q->available = (uint8_t *)driver_area;
    q->used = (uint8_t *)device_area;
    assert_int_equal(load16(q->used), 0);     /* SQ-19 */
    assert_int_equal(load16(q->used + 2), 0); /* P-22 */
    assert_int_equal(load16(q->available + 2), 0);
    return 0;
}

static void notify(struct virtio_device *device, unsigned queue)
{
    struct model *model = model_of(device);
    trace(model, "notify=%u ", queue);
    assert_int_not_equal(model->status & VIRTIO_STATUS_DRIVER_OK, 0); /* IN-14 */
    assert_true(model->queues[queue].live);
    model->queues[queue].notifications++;
}

static const struct virtio_transport model_transport = {
    .status_get = status_get,
    .status_set = status_set,
    .features_offered = features_offered,
    .features_accept = features_accept,
    .config_read8 = config_read8,
    .config_read16 = config_read16,
    .config_read32 = config_read32,
    .config_generation = config_generation,
    .queue_size_max = queue_size_max,
    .queue_start = queue_start,
    .notify = notify,
};

void model_init(struct model *model, uint32_t id, uint64_t features, unsigned size_max)
{
    *model = (struct model){.offered = VIRTIO_F_VERSION_1 | features};
    model->device.transport = &model_transport;
    model->device.id = id;
    strlcpy(model->device.name, "model", sizeof(model->device.name));
    for (unsigned q = 0; q < MODEL_QUEUES; q++)
        model->queues[q].size_max = size_max;
}

bool model_event_index(const struct model *model) { return model->accepted >> 29 & 1; }

bool model_trace_contains(const struct model *model, const char *words)
{
    for (const char *p = model->trace; *p; p++) {
        if (strncmp(p, words, strlen(words)) == 0)
            return true;
    }
    return false;
}

/* --- rings --- */

uint16_t model_avail_flags(struct model *model, unsigned queue)
{
    return load16(model->queues[queue].available);
}

uint16_t model_avail_index(struct model *model, unsigned queue)
{
    return load16(model->queues[queue].available + 2);
}

uint16_t model_used_event(struct model *model, unsigned queue)
{
    struct model_queue *q = &model->queues[queue];
    return load16(q->available + 4 + 2 * q->size);
}

void model_used_flags(struct model *model, unsigned queue, uint16_t flags)
{
    store16(model->queues[queue].used, flags);
}

void model_avail_event(struct model *model, unsigned queue, uint16_t event)
{
    struct model_queue *q = &model->queues[queue];
    store16(q->used + 4 + 8 * q->size, event);
}

unsigned model_available(struct model *model, unsigned queue)
{
    struct model_queue *q = &model->queues[queue];
    uint16_t ahead = (uint16_t)(model_avail_index(model, queue) - q->taken);
    assert_true(ahead <= q->size); /* SQ-11: forwards, and by no more than there are slots */
    uint16_t flags = model_avail_flags(model, queue);
    assert_true(flags <= (model_event_index(model) ? 0 : 1)); /* SQ-12, SQ-14 */
    return ahead;
}

/* Adds one descriptor to the chain; returns its flags. */
static uint16_t chain_extend(const uint8_t *descriptor, struct model_chain *chain)
{
    unsigned n = chain->n_out + chain->n_in;
    uint16_t flags = load16(descriptor + 12);
    uint32_t length = load32(descriptor + 8);
    assert_true(n < MODEL_SEGMENTS);
    assert_int_equal(flags & ~(F_NEXT | F_WRITE), 0); /* SQ-6: INDIRECT was not negotiated */
    assert_true(length > 0);
    chain->segments[n].data = (uint8_t *)(uintptr_t)load64(descriptor);
    chain->segments[n].length = length;
    if (flags & F_WRITE) {
        chain->n_in++;
        chain->writable += length;
    } else {
        assert_int_equal(chain->n_in, 0); /* SQ-2 */
        chain->n_out++;
        chain->readable += length;
    }
    return flags;
}

bool model_take(struct model *model, unsigned queue, struct model_chain *chain)
{
    struct model_queue *q = &model->queues[queue];
    assert_true(q->live);
    if (model_available(model, queue) == 0)
        return false;
    uint16_t id = load16(q->available + 4 + 2 * (q->taken % q->size));
    *chain = (struct model_chain){.head = id};
    for (unsigned steps = 0;; steps++) {
        assert_true(id < q->size && steps < q->size); /* SQ-4, SQ-8 */
        if (!(chain_extend(q->descriptors + 16 * id, chain) & F_NEXT))
            break;
        id = load16(q->descriptors + 16 * id + 14);
    }
    assert_false(q->held[chain->head]); /* CL-1: not posted again while the device has it */
    q->held[chain->head] = true;
    q->taken++;
    return true;
}

/* 2.7.7.2, 2.7.10: does the driver want to be interrupted for what was completed since the last
 * decision? As QEMU does, the first decision with event index always says yes. */
static bool interrupt_wanted(struct model *model, struct model_queue *q, unsigned queue)
{
    uint16_t old = q->signalled, new = q->completed;
    bool valid = q->signalled_valid;
    q->signalled = new;
    q->signalled_valid = true;
    if (!model_event_index(model))
        return !(model_avail_flags(model, queue) & 1);
    if (!valid)
        return true;
    for (uint16_t i = old; i != new; i++) {
        if (i == model_used_event(model, queue))
            return true;
    }
    return false;
}

void model_interrupt(struct model *model, uint32_t events)
{
    if (!model->hold_interrupts)
        virtio_interrupt(&model->device, events);
}

void model_used_raw(struct model *model, unsigned queue, uint32_t id, uint32_t written)
{
    struct model_queue *q = &model->queues[queue];
    uint8_t *element = q->used + 4 + 8 * (q->completed % q->size);
    store32(element, id);
    store32(element + 4, written);
    model_used_skip(model, queue, 1);
}

void model_used_skip(struct model *model, unsigned queue, uint16_t count)
{
    struct model_queue *q = &model->queues[queue];
    q->completed = (uint16_t)(q->completed + count);
    store16(q->used + 2, q->completed);
}

void model_complete(struct model *model, unsigned queue, uint16_t head, uint32_t written)
{
    struct model_queue *q = &model->queues[queue];
    assert_true(q->held[head]);
    q->held[head] = false;
    model_used_raw(model, queue, head, written);
    if (!interrupt_wanted(model, q, queue))
        return;
    q->interrupts++;
    model_interrupt(model, VIRTIO_INTERRUPT_QUEUE);
}

void model_scribble(struct model *model, unsigned queue)
{
    struct model_queue *q = &model->queues[queue];
    for (unsigned i = 0; i < 16 * q->size; i++)
        q->descriptors[i] ^= 0xff;
    for (unsigned i = 4; i < 4 + 2 * q->size; i++)
        q->available[i] ^= 0xff;
}
