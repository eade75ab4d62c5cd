/* A model of a virtio device, written from the device's side of the specification (virtio 1.2,
 * chapters 2 and 3): a transport that records what the driver does to it, and split rings that it
 * reads and writes byte by byte by the specification's offsets, sharing no definition with the code
 * under test.
 *
 * It is obedient or hostile as a test wants: it completes in any order and at any time, writes ids,
 * lengths and indices that are wrong, refuses features, takes its time for a reset, and changes its
 * configuration while that is read. What the driver does wrong fails the test at that place.
 *
 * Include it behind host.h.
 */
#ifndef VIRTQ_DEVICE_H
#define VIRTQ_DEVICE_H

#include "host.h"
#include "virtio/virtio.h"

#define MODEL_QUEUES    3
#define MODEL_SEGMENTS  16
#define MODEL_CONFIG    64
#define MODEL_NEVER     UINT32_MAX
#define MODEL_TRACE     4096
#define MODEL_QUEUE_MAX 256

/* A chain that the device has taken from the available ring. */
struct model_chain {
    uint16_t head;
    unsigned n_out, n_in; /* segments that the device reads, and writes */
    struct {
        uint8_t *data;
        uint32_t length;
    } segments[MODEL_SEGMENTS];
    uint32_t readable, writable; /* bytes */
};

struct model_queue {
    unsigned size_max; /* what the transport reports; 0: no such queue */

    bool live;
    unsigned size;
    uint8_t *descriptors, *available, *used;

    uint16_t taken;                /* available index of the next chain to take */
    bool held[MODEL_QUEUE_MAX];    /* heads of chains taken and not completed */
    uint16_t completed, signalled; /* used index; the same at the last interrupt decision */
    bool signalled_valid;
    unsigned notifications, interrupts;
};

struct model {
    struct virtio_device device;

    /* What the test sets. */
    uint64_t offered;
    bool refuse_features;
    bool hold_interrupts;  /* they are counted, but do not reach the driver yet */
    unsigned reset_reads;  /* status reads after the write of 0 that still show the old status */
    unsigned config_flips; /* so many reads of the generation are each followed by a change */
    uint8_t config[MODEL_CONFIG];
    /* Changes `config`; NULL: only the generation moves. */
    void (*config_flip)(struct model *model);
    /* Called when a reset takes effect: until then the device may write to what it was given. */
    void (*last_moment)(struct model *model);
    /* Called when the status is read: where QEMU orders what its fences do not. */
    void (*at_status)(struct model *model);

    uint8_t status;
    bool resetting; /* 0 was written, and not yet read back */
    uint64_t accepted;
    uint32_t generation;
    struct model_queue queues[MODEL_QUEUES];

    char trace[MODEL_TRACE]; /* what the driver did, as words: see virtq_device.c */
    size_t trace_length;
};

/* A device of `id` that offers VERSION_1 and `features`, all queues of at most `size_max` entries.
 */
void model_init(struct model *model, uint32_t id, uint64_t features, unsigned size_max);
bool model_event_index(const struct model *model);
/* Whether these words stand somewhere in the trace. */
bool model_trace_contains(const struct model *model, const char *words);

/* --- obedient --- */

/* How many chains are available that the device has not taken. */
unsigned model_available(struct model *model, unsigned queue);
/* Takes the next one; false: there is none. Checks it against the rules for drivers. */
bool model_take(struct model *model, unsigned queue, struct model_chain *chain);
/* Gives a chain back with `written` as its used length, and interrupts if the driver wants that. */
void model_complete(struct model *model, unsigned queue, uint16_t head, uint32_t written);
/* Raises what the driver is to see, if its status allows. */
void model_interrupt(struct model *model, uint32_t events);

/* Suppression of doorbells: used.flags, and with event index avail_event. */
void model_used_flags(struct model *model, unsigned queue, uint16_t flags);
void model_avail_event(struct model *model, unsigned queue, uint16_t event);

/* What the driver asks for. */
uint16_t model_avail_flags(struct model *model, unsigned queue);
uint16_t model_avail_index(struct model *model, unsigned queue);
uint16_t model_used_event(struct model *model, unsigned queue);

/* --- hostile --- */

/* Writes a used element as told, whatever was taken, and moves the used index. */
void model_used_raw(struct model *model, unsigned queue, uint32_t id, uint32_t written);
/* Moves the used index without writing elements. */
void model_used_skip(struct model *model, unsigned queue, uint16_t count);
/* Overwrites everything that the driver has written: descriptor table and available ring. */
void model_scribble(struct model *model, unsigned queue);

#endif
