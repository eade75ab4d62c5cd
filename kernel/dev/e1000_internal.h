/* What the parts of the e1000 driver share: its record, and the functions by which one calls
 * another.
 *
 *   e1000.c       finds, starts, stops and recovers the device
 *   e1000_hw.c    resets it and programs its registers, the EEPROM and the filters
 *   e1000_rx.c    the receive ring
 *   e1000_tx.c    the transmit ring
 */
#ifndef DEV_E1000_INTERNAL_H
#define DEV_E1000_INTERNAL_H

#include "arch/mmio.h"
#include "dev/e1000_regs.h"
#include "dev/pci.h"
#include "net/netdev.h"
#include "proc/sleeplock.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"

#define ETHERNET_HEADER    14u
#define ETHERNET_FRAME_MIN 60u /* without the frame check sequence (IEEE 802.3, 4.4.2) */

/* What irq_off turns off, and what irq_on asks for. A change of the link is always reported. */
#define E1000_INTERRUPTS_RX (E1000_INTERRUPT_RXT0 | E1000_INTERRUPT_RXDMT0 | E1000_INTERRUPT_RXO)

/* The receive ring belongs to the poll thread and, while no poll runs, to who opens or stops the
 * device: it needs no lock. */
struct e1000_rx {
    struct e1000_rx_descriptor *descriptors;
    struct mbuf **mbufs; /* what each descriptor points to; NULL in all: the ring is empty */
    unsigned size;       /* [I] descriptors */
    unsigned next;       /* the descriptor that the device fills next */
    unsigned taken;      /* descriptors before it that the device has not been given back */
    bool skipping;       /* the rest of a frame that was longer than a buffer is still to come */
};

/* From `clean` to `shown` descriptors are the device's, from there to `tail` filled in but not yet
 * shown to it, the others free; one stays free always, because to the device head == tail means
 * empty (3.4). All [tx_lock]. */
struct e1000_tx {
    struct e1000_tx_descriptor *descriptors;
    struct mbuf **mbufs; /* at the last descriptor of each frame; NULL elsewhere */
    unsigned size;       /* [I] descriptors */
    unsigned clean, shown, tail;
    uint64_t context;       /* the checksum context that the device has; 0: none */
    bool running;           /* the device is live */
    bool recovering;        /* not running, but soon again: frames wait */
    bool polling;           /* the poll's end will show what is new */
    bool interrupt;         /* TXDW has been asked for */
    bool stalled;           /* nothing has got done for too long */
    uint64_t waiting_since; /* clock_ns() since when frames wait and none gets done; 0: not so */
};

struct e1000 {
    struct netdev dev;
    struct pci_function *function; /* [I] */
    uintptr_t registers;           /* [I] */

    struct sleeplock life;    /* serialises open, stop, recovery and changes of the receive mode */
    uint32_t receive_control; /* [life] RCTL as it was written last */
    struct spinlock pause_lock;
    struct waitq pause; /* [pause_lock] for delays: nobody wakes it */

    bool attention;  /* atomic: the poll thread is to look at the device's state */
    bool unwired;    /* [I] it has no interrupt, so every poll is to look */
    uint32_t wanted; /* atomic: the interrupt causes that are acted on */

    struct e1000_rx rx;
    struct spinlock tx_lock;
    struct e1000_tx tx;
};

static inline uint32_t e1000_read(const struct e1000 *nic, unsigned offset)
{
    return mmio_read32(nic->registers + offset);
}

static inline void e1000_write(const struct e1000 *nic, unsigned offset, uint32_t value)
{
    mmio_write32(nic->registers + offset, value);
}

/* --- e1000.c --- */

/* What probe does, with rings of these sizes: multiples of 8 from 8 to 4096, else -EINVAL. */
int e1000_attach(struct pci_function *function, unsigned rx_size, unsigned tx_size);

/* Any context. These causes are acted on from here on; the mask is opened for them afterwards. */
void e1000_want(struct e1000 *nic, uint32_t causes);
/* Any context. Shuts the mask for them; one that comes all the same is not acted on. */
void e1000_unwant(struct e1000 *nic, uint32_t causes);
/* Any context, tx_lock may be held: has the poll thread call e1000_attend(). */
void e1000_request_attention(struct e1000 *nic);
/* Poll thread, no lock held: finds out what the matter is, and recovers the device if it has
 * failed. */
void e1000_attend(struct e1000 *nic);

/* --- e1000_hw.c; under `life`, or at boot --- */

/* No interrupt, no traffic. */
void e1000_quiet(const struct e1000 *nic);
/* Thread context; takes some milliseconds. Afterwards the device uses no memory, and its registers
 * are as after power-on or, in QEMU, as they were. -EIO: it does not answer. */
int e1000_reset(struct e1000 *nic);
/* Reads the Ethernet address. 0, -EIO (logged): no answer or a wrong checksum; -EINVAL (logged):
 * not the address of a station. */
int e1000_mac_read(const struct e1000 *nic, uint8_t *mac);
/* After a reset: everything but the rings. */
void e1000_configure(struct e1000 *nic);
/* Turns reception on, or changes what is received to what dev.flags say. */
void e1000_receive_enable(struct e1000 *nic);
void e1000_transmit_enable(struct e1000 *nic);
bool e1000_link_is_up(const struct e1000 *nic);
bool e1000_is_gone(const struct e1000 *nic);

/* --- e1000_rx.c --- */

/* Fills the ring and tells the device where it is; reception is off. 0; -ENOMEM, then the ring is
 * empty. */
int e1000_rx_start(struct e1000 *nic);
/* Gives up what is in the ring: frees all its mbufs, and counts the frames that are lost. The device no
 * longer uses it. */
void e1000_rx_empty(struct e1000 *nic);
/* Poll thread. Takes at most `budget` descriptors, appends their frames to the list, refills. How many.
 * Dropped, whole, are frames that are empty or longer than a buffer (rx_bad_length, once) and those the
 * device found damaged (rx_errors); a bad transport checksum alone is the stack's to find. An mbuf is
 * posted with MBUF_RX_ALIGN. A write of the tail counts as a doorbell, but for that of the start. */
int e1000_rx_collect(struct e1000 *nic, int budget, struct list *received);
/* Poll thread. Whether a frame waits to be taken. */
bool e1000_rx_pending(const struct e1000 *nic);

/* --- e1000_tx.c; no lock held --- */

void e1000_tx_start(struct e1000 *nic); /* an empty ring; transmission is off */
void e1000_tx_run(struct e1000 *nic);  /* from here on frames are taken; those that wait go first */
void e1000_tx_halt(struct e1000 *nic); /* from here on they are refused */
void e1000_tx_empty(struct e1000 *nic); /* as e1000_rx_empty; frames that wait stay */
/* A restart is under way: frames wait for its end, as if the ring were full. */
void e1000_tx_set_recovering(struct e1000 *nic, bool recovering);
void e1000_tx_drop_waiting(struct e1000 *nic); /* drops them, counted */
/* The operation of struct netdev_ops. */
int e1000_transmit(struct netdev *dev, struct mbuf *m, bool more);
void e1000_transmit_all(struct netdev *dev, struct list *frames, bool more);
void e1000_flush(struct netdev *dev);
/* Around a poll: takes sent frames back, and shows the device what was sent meanwhile. */
void e1000_tx_poll_begin(struct e1000 *nic);
void e1000_tx_poll_end(struct e1000 *nic);
bool e1000_tx_has_stalled(struct e1000 *nic);

#endif
