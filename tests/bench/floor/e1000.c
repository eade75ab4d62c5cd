/* The e1000 (82540EM) for the floor: legacy descriptors, one doorbell a batch in each direction.
 *
 * Its interrupt stays on: a cause stays latched in ICR until it is read, so nothing is lost
 * between the last look at the ring and the sleep, and no register has to be written to arm it.
 * Section numbers are of Intel's "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual" (317453).
 */
#include "arch/barrier.h"
#include "nic.h"
#include "pci.h"

#define PCI_E1000 (0x100eu << 16 | 0x8086)

/* Registers (13.4) */
#define CTRL  0x0000
#define ICR   0x00c0
#define IMS   0x00d0
#define IMC   0x00d8
#define RCTL  0x0100
#define TCTL  0x0400
#define RDBAL 0x2800
#define RDBAH 0x2804
#define RDLEN 0x2808
#define RDH   0x2810
#define RDT   0x2818
#define TDBAL 0x3800
#define TDBAH 0x3804
#define TDLEN 0x3808
#define TDH   0x3810
#define TDT   0x3818

#define CTRL_LINK_UP   (1u << 6)
#define ICR_RX_OVERRUN (1u << 6)
#define ICR_RX_TIMER   (1u << 7)
#define ICR_RX_LOW     (1u << 4)
#define RCTL_ENABLE    (1u << 1)
#define RCTL_BROADCAST (1u << 15)
#define RCTL_STRIP_CRC (1u << 26) /* buffers of 2048 bytes: the size field is 0 */
#define TCTL_ENABLE    (1u << 1)
#define TCTL_PAD       (1u << 3)
#define TCTL_DEFAULT   (0x10u << 4 | 0x40u << 12) /* for full duplex */
#define COMMAND_END    0x01u
#define COMMAND_CRC    0x02u
#define COMMAND_REPORT 0x08u
#define STATUS_DONE    0x01u

/* More than arrive at once: QEMU drops what it has queued and the ring cannot take. */
#define RX_RING_SIZE 1024
#define RX_STEP      (RX_RING_SIZE / 4 * 3)
#define RX_MASK      (RX_RING_SIZE - 1)
#define TX_MASK      (RING_SIZE - 1)

/* 3.2.3, 3.3.3 */
static volatile struct {
    uint64_t address;
    uint16_t length, checksum;
    uint8_t status, errors;
    uint16_t special;
} rx[RX_RING_SIZE] __attribute__((aligned(128)));

static volatile struct {
    uint64_t address;
    uint16_t length;
    uint8_t checksum_offset, command, status, checksum_start;
    uint16_t special;
} tx[RING_SIZE] __attribute__((aligned(128)));

static struct packet *rx_packets[RX_RING_SIZE], *tx_packets[RING_SIZE];
/* Rings are full with one entry left: heads equal to tails mean empty. */
static unsigned rx_next, rx_tail, rx_shown;
static unsigned tx_next, tx_tail, tx_shown;
static uintptr_t base;

static bool post(struct packet *packet)
{
    if (((rx_tail + 1) & RX_MASK) == rx_next)
        return false;
    rx_packets[rx_tail] = packet;
    rx[rx_tail].address = (uintptr_t)packet->frame;
    rx[rx_tail].status = 0;
    rx_tail = (rx_tail + 1) & RX_MASK;
    return true;
}

static bool send(struct packet *packet)
{
    if (((tx_tail + 1) & TX_MASK) == tx_next)
        return false;
    tx_packets[tx_tail] = packet;
    tx[tx_tail].address = (uintptr_t)packet->frame;
    tx[tx_tail].length = packet->length;
    tx[tx_tail].command = COMMAND_END | COMMAND_CRC | COMMAND_REPORT;
    tx[tx_tail].status = 0;
    tx_tail = (tx_tail + 1) & TX_MASK;
    return true;
}

static struct packet *receive(void)
{
    if (rx_next == rx_shown || !(rx[rx_next].status & STATUS_DONE))
        return NULL;
    dma_consume();
    struct packet *packet = rx_packets[rx_next];
    packet->length = rx[rx_next].length;
    rx_next = (rx_next + 1) & RX_MASK;
    return packet;
}

static struct packet *sent(void)
{
    if (tx_next == tx_shown || !(tx[tx_next].status & STATUS_DONE))
        return NULL;
    dma_consume();
    struct packet *packet = tx_packets[tx_next];
    tx_next = (tx_next + 1) & TX_MASK;
    return packet;
}

/* mmio_write32 orders the tail behind the descriptors. */
static void doorbell(uintptr_t tail_register, unsigned *shown, unsigned tail)
{
    if (*shown == tail)
        return;
    *shown = tail;
    floor_doorbells++;
    mmio_write32(tail_register, tail);
}

/* At each write of RDT QEMU delivers all it has queued, and drops what finds no room: hence the step. */
static void flush(void)
{
    doorbell(base + TDT, &tx_shown, tx_tail);
    if (((rx_tail - rx_shown) & RX_MASK) >= RX_STEP)
        doorbell(base + RDT, &rx_shown, rx_tail);
}

static bool arm(void) { return rx_next != rx_shown && (rx[rx_next].status & STATUS_DONE); }

static void acknowledge(void) { mmio_read32(base + ICR); }

static struct nic nic = {
    .name = "e1000",
    .post = post,
    .send = send,
    .receive = receive,
    .sent = sent,
    .flush = flush,
    .arm = arm,
    .acknowledge = acknowledge,
};

/* 14.3 to 14.5. QEMU has put the card's address into its receive filter. */
const struct nic *e1000_find(void)
{
    int slot = pci_find(PCI_E1000);

    if (slot < 0)
        return NULL;
    base = pci_start(slot, 0);
    nic.interrupt = PCI_INTX_IRQ(slot, 1);
    mmio_write32(base + IMC, ~0u);
    mmio_write32(base + CTRL, mmio_read32(base + CTRL) | CTRL_LINK_UP);
    mmio_write32(base + TDBAL, (uint32_t)(uintptr_t)tx);
    mmio_write32(base + TDBAH, 0);
    mmio_write32(base + TDLEN, sizeof tx);
    mmio_write32(base + TDH, 0);
    mmio_write32(base + TDT, 0);
    mmio_write32(base + TCTL, TCTL_ENABLE | TCTL_PAD | TCTL_DEFAULT);
    mmio_write32(base + RDBAL, (uint32_t)(uintptr_t)rx);
    mmio_write32(base + RDBAH, 0);
    mmio_write32(base + RDLEN, sizeof rx);
    mmio_write32(base + RDH, 0);
    mmio_write32(base + RDT, 0);
    mmio_write32(base + RCTL, RCTL_ENABLE | RCTL_BROADCAST | RCTL_STRIP_CRC);
    mmio_read32(base + ICR);
    mmio_write32(base + IMS, ICR_RX_TIMER | ICR_RX_LOW | ICR_RX_OVERRUN);
    return &nic;
}
