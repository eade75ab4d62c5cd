/* The e1000's registers but those of its rings: reset, address, filters, modes.
 *
 * A register that the driver relies on is written after every reset, also where the reset is said
 * to give it that value: QEMU's resets nothing. Every wait for the device has a bound.
 */
#include "dev/e1000_internal.h"

#include "abi/errno.h"
#include "arch/barrier.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "proc/clock.h"

/* An EEPROM word takes some 100 us to be read serially; a register read takes about 1 us at least.
 */
#define EEPROM_READS 100000u

#define RESET_QUIET  (10 * NS_PER_MS) /* until what was under way has ended */
#define RESET_PAUSE  (5 * NS_PER_MS)  /* until the EEPROM has been loaded again (14.3) */
#define RESET_CHECKS 10u

#define GROUP_BIT 0x01u /* in the first byte of an Ethernet address */

/* The groups that a host always belongs to: all hosts, 224.0.0.1 (RFC 1112, 6.4 and 7.2). */
static const uint8_t groups[][ETHERNET_ADDRESS_LENGTH] = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}};

/* --- reset --- */

/* Register writes may wait in bridges: a read pushes them out. */
static void flush(const struct e1000 *nic)
{
    e1000_read(nic, E1000_STATUS);
    device_barrier();
}

static void delay(struct e1000 *nic, uint64_t ns)
{
    uint64_t end = clock_ns() + ns;
    spinlock_acquire(&nic->pause_lock);
    while (waitq_sleep_uninterruptible(&nic->pause, end) == 0)
        ;
    spinlock_release(&nic->pause_lock);
}

/* Interrupts first: what comes to an end below raises none. */
void e1000_quiet(const struct e1000 *nic)
{
    /* A 0 in IMS would change nothing: bits are taken out of the mask through IMC (13.4.21). */
    e1000_write(nic, E1000_IMC, UINT32_MAX);
    e1000_write(nic, E1000_RCTL, 0);
    e1000_write(nic, E1000_TCTL, 0);
    flush(nic);
}

/* 14.3, and the order of its steps: masked before, because the device may be in any state, and
 * after, because the reset may have unmasked. */
int e1000_reset(struct e1000 *nic)
{
    e1000_quiet(nic);
    nic->receive_control = 0;
    delay(nic, RESET_QUIET);
    e1000_write(nic, E1000_CTRL, e1000_read(nic, E1000_CTRL) | E1000_CTRL_RST);
    for (unsigned check = 0; check < RESET_CHECKS; check++) {
        delay(nic, RESET_PAUSE); /* no access for 1 us at least (13.4.1) */
        if (e1000_read(nic, E1000_CTRL) & E1000_CTRL_RST)
            continue;
        e1000_quiet(nic);
        e1000_read(nic, E1000_ICR); /* what happened before is of no interest any more */
        return 0;
    }
    kprintf("%s: reset not complete: control 0x%x, expected bit 26 clear\n", nic->dev.name,
            e1000_read(nic, E1000_CTRL));
    return -EIO;
}

bool e1000_is_gone(const struct e1000 *nic)
{
    return e1000_read(nic, E1000_STATUS) == E1000_ABSENT;
}

bool e1000_link_is_up(const struct e1000 *nic)
{
    return e1000_read(nic, E1000_STATUS) & E1000_STATUS_LINK_UP;
}

/* --- address --- */

/* One word of the EEPROM (13.4.4). */
static int eeprom_read(const struct e1000 *nic, unsigned address, uint16_t *word)
{
    e1000_write(nic, E1000_EERD, address << E1000_EERD_ADDRESS_SHIFT | E1000_EERD_START);
    for (unsigned reads = 0; reads < EEPROM_READS; reads++) {
        uint32_t value = e1000_read(nic, E1000_EERD);
        if (value == E1000_ABSENT)
            break;
        if (value & E1000_EERD_DONE) {
            *word = (uint16_t)(value >> E1000_EERD_DATA_SHIFT);
            return 0;
        }
    }
    kprintf("%s: EEPROM does not answer: register 0x%x, expected bit 4 set\n", nic->dev.name,
            e1000_read(nic, E1000_EERD));
    return -EIO;
}

/* The whole EEPROM is read for its checksum: a wrong address on the wire would harm others (5.6).
 */
int e1000_mac_read(const struct e1000 *nic, uint8_t *mac)
{
    uint16_t words[E1000_EEPROM_WORDS], sum = 0;
    for (unsigned i = 0; i < E1000_EEPROM_WORDS; i++) {
        int error = eeprom_read(nic, i, &words[i]);
        if (error)
            return error;
        sum = (uint16_t)(sum + words[i]);
    }
    if (sum != E1000_EEPROM_SUM) {
        kprintf("%s: EEPROM checksum 0x%x, expected 0x%x\n", nic->dev.name, sum, E1000_EEPROM_SUM);
        return -EIO;
    }
    for (unsigned i = 0; i < ETHERNET_ADDRESS_LENGTH; i++)
        mac[i] =
            (uint8_t)(words[i / 2] >> 8 * (i % 2)); /* the low byte is first on the wire (5.6.1) */

    static const uint8_t none[ETHERNET_ADDRESS_LENGTH];
    if ((mac[0] & GROUP_BIT) || memcmp(mac, none, sizeof(none)) == 0) {
        kprintf("%s: EEPROM has no station's address\n", nic->dev.name);
        return -EINVAL;
    }
    return 0;
}

/* --- filters --- */

/* The first entry is our address, the others are unused. The low part goes first: writing the high
 * one, with the valid bit, makes the entry count. */
static void address_filter_set(const struct e1000 *nic)
{
    const uint8_t *mac = nic->dev.mac;
    e1000_write(nic, E1000_RAL(0),
                mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24);
    e1000_write(nic, E1000_RAH(0), mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_VALID);
    for (unsigned i = 1; i < E1000_ADDRESS_FILTERS; i++) {
        e1000_write(nic, E1000_RAL(i), 0);
        e1000_write(nic, E1000_RAH(i), 0);
    }
}

/* The bit of the multicast table that stands for an address: with RCTL.MO = 0 it is numbered by
 * bits 47 to 36 of the address (13.5.1). */
static unsigned multicast_bit(const uint8_t *mac)
{
    return (((unsigned)mac[5] << 8 | mac[4]) >> 4) & 0xfff;
}

static void multicast_table_set(const struct e1000 *nic)
{
    uint32_t table[E1000_MTA_WORDS] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        unsigned bit = multicast_bit(groups[i]);
        table[bit / 32] |= 1u << (bit % 32);
    }
    for (unsigned i = 0; i < E1000_MTA_WORDS; i++)
        e1000_write(nic, E1000_MTA + 4 * i, table[i]);
}

/* --- modes --- */

void e1000_configure(struct e1000 *nic)
{
    /* The link: let the PHY negotiate it (14.3). */
    uint32_t control = e1000_read(nic, E1000_CTRL);
    control &= ~(E1000_CTRL_RST | E1000_CTRL_PHY_RST | E1000_CTRL_VME);
    e1000_write(nic, E1000_CTRL, control | E1000_CTRL_SLU | E1000_CTRL_ASDE);

    /* No pause frames, neither sent nor heeded (13.4.8 to 13.4.12). */
    e1000_write(nic, E1000_FCAL, 0);
    e1000_write(nic, E1000_FCAH, 0);
    e1000_write(nic, E1000_FCT, 0);
    e1000_write(nic, E1000_FCTTV, 0);

    address_filter_set(nic);
    multicast_table_set(nic);

    /* Interrupts are not delayed: under load the poll thread keeps them off anyway, and a first
     * frame shall not wait (13.4.18, 13.4.30, 13.4.31). */
    e1000_write(nic, E1000_ITR, 0);
    e1000_write(nic, E1000_RDTR, 0);
    e1000_write(nic, E1000_RADV, 0);
    e1000_write(nic, E1000_TIDV, 0);
    e1000_write(nic, E1000_TADV, 0);
    e1000_write(nic, E1000_TXDCTL, 0); /* each report at once (13.4.43) */
    e1000_write(nic, E1000_RXCSUM, E1000_RXCSUM_IPOFLD | E1000_RXCSUM_TUOFLD);
}

/* Frames of more than 1522 bytes are left out (LPE), bad ones too (SBP); buffers are of 2048 bytes
 * (BSIZE, BSEX 0). After every write of this register QEMU receives nothing for a second, so one
 * that would change nothing is not made. */
void e1000_receive_enable(struct e1000 *nic)
{
    uint16_t flags = READ_ONCE(nic->dev.flags);
    uint32_t control = E1000_RCTL_EN | E1000_RCTL_BAM | E1000_RCTL_SECRC;
    if (flags & IFF_PROMISC)
        control |= E1000_RCTL_UPE | E1000_RCTL_MPE;
    if (flags & IFF_ALLMULTI)
        control |= E1000_RCTL_MPE;
    if (control == nic->receive_control)
        return;
    nic->receive_control = control;
    e1000_write(nic, E1000_RCTL, control);
}

/* The values of 14.5 for copper and full duplex. */
void e1000_transmit_enable(struct e1000 *nic)
{
    e1000_write(nic, E1000_TIPG, E1000_TIPG_VALUE);
    e1000_write(nic, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP | E1000_TCTL_CT | E1000_TCTL_COLD);
}
