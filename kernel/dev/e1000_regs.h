/* Registers and descriptors of Intel's 8254x Ethernet controllers: what the driver uses of them.
 *
 * Section numbers are those of "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual" (317453), here called the 8254x manual. Registers are 32 bits wide and lie at
 * these offsets in region 0. Everything is little-endian, as is the machine.
 */
#ifndef DEV_E1000_REGS_H
#define DEV_E1000_REGS_H

#include "lib/types.h"

#define E1000_REGISTERS_SIZE 0x20000u /* 4.1 */

/* Device control (13.4.1) and status (13.4.2) */
#define E1000_CTRL           0x0000
#define E1000_CTRL_ASDE      (1u << 5)  /* detect the PHY's speed */
#define E1000_CTRL_SLU       (1u << 6)  /* the MAC takes part in the link */
#define E1000_CTRL_RST       (1u << 26) /* clears itself */
#define E1000_CTRL_VME       (1u << 30) /* strip VLAN tags */
#define E1000_CTRL_PHY_RST   (1u << 31)
#define E1000_STATUS         0x0008
#define E1000_STATUS_LINK_UP (1u << 1)
#define E1000_ABSENT         0xffffffffu /* what any register reads if the device is gone */

/* EEPROM read (13.4.4) and layout (5.6) */
#define E1000_EERD               0x0014
#define E1000_EERD_START         (1u << 0)
#define E1000_EERD_DONE          (1u << 4)
#define E1000_EERD_ADDRESS_SHIFT 8
#define E1000_EERD_DATA_SHIFT    16
#define E1000_EEPROM_WORDS       64u /* that the checksum covers; the first three are the address */
#define E1000_EEPROM_SUM         0xbabau /* what they add up to, in 16 bits */

/* Flow control: 13.4.8 to 13.4.10, 13.4.12 */
#define E1000_FCAL  0x0028
#define E1000_FCAH  0x002c
#define E1000_FCT   0x0030
#define E1000_FCTTV 0x0170

/* Interrupts: cause (13.4.17), throttling (13.4.18), mask set and clear (13.4.20, 13.4.21) */
#define E1000_ICR              0x00c0
#define E1000_ITR              0x00c4
#define E1000_ICS              0x00c8
#define E1000_IMS              0x00d0
#define E1000_IMC              0x00d8
#define E1000_INTERRUPT_TXDW   (1u << 0) /* a descriptor that asked for a report is done */
#define E1000_INTERRUPT_TXQE   (1u << 1) /* the transmit ring is empty */
#define E1000_INTERRUPT_LSC    (1u << 2) /* the link went up or down */
#define E1000_INTERRUPT_RXDMT0 (1u << 4) /* the receive ring runs low */
#define E1000_INTERRUPT_RXO    (1u << 6) /* a frame was lost for want of room */
#define E1000_INTERRUPT_RXT0   (1u << 7) /* frames have been received */

/* Receive control (13.4.22), ring (13.4.25 to 13.4.29), delays (13.4.30, 13.4.31), checksums
 * (3.2.9) */
#define E1000_RCTL     0x0100
#define E1000_RCTL_EN  (1u << 1)
#define E1000_RCTL_SBP (1u << 2)  /* store bad frames */
#define E1000_RCTL_UPE (1u << 3)  /* all unicast frames */
#define E1000_RCTL_MPE (1u << 4)  /* all multicast frames */
#define E1000_RCTL_LPE (1u << 5)  /* frames of more than 1522 bytes */
#define E1000_RCTL_BAM (1u << 15) /* broadcast frames */
/* Buffers of 2048 (0), 1024, 512, 256 bytes; with BSEX 16 times. */
#define E1000_RCTL_BSIZE    (3u << 16)
#define E1000_RCTL_BSEX     (1u << 25)
#define E1000_RCTL_SECRC    (1u << 26) /* strip the frame check sequence */
#define E1000_RDBAL         0x2800
#define E1000_RDBAH         0x2804
#define E1000_RDLEN         0x2808
#define E1000_RDH           0x2810
#define E1000_RDT           0x2818
#define E1000_RDTR          0x2820
#define E1000_RADV          0x282c
#define E1000_RXCSUM        0x5000
#define E1000_RXCSUM_IPOFLD (1u << 8)
#define E1000_RXCSUM_TUOFLD (1u << 9)

/* Transmit control (13.4.33), gap (13.4.34), ring (13.4.36 to 13.4.40), delays and thresholds */
#define E1000_TCTL       0x0400
#define E1000_TCTL_EN    (1u << 1)
#define E1000_TCTL_PSP   (1u << 3)     /* pad short frames */
#define E1000_TCTL_CT    (0x10u << 4)  /* attempts after a collision: Ethernet's 16 */
#define E1000_TCTL_COLD  (0x40u << 12) /* collision distance: full duplex */
#define E1000_TIPG       0x0410
#define E1000_TIPG_VALUE (10u | 8u << 10 | 6u << 20) /* the gaps of IEEE 802.3 */
#define E1000_TDBAL      0x3800
#define E1000_TDBAH      0x3804
#define E1000_TDLEN      0x3808
#define E1000_TDH        0x3810
#define E1000_TDT        0x3818
#define E1000_TIDV       0x3820 /* 13.4.41 */
#define E1000_TXDCTL     0x3828 /* 13.4.43 */
#define E1000_TADV       0x382c /* 13.4.44 */

/* Address filters: multicast table (13.5.1), exact addresses (13.5.2, 13.5.3) */
#define E1000_MTA             0x5200
#define E1000_MTA_WORDS       128u
#define E1000_RAL(n)          (0x5400 + 8 * (n))
#define E1000_RAH(n)          (0x5404 + 8 * (n))
#define E1000_RAH_VALID       (1u << 31)
#define E1000_ADDRESS_FILTERS 16u

/* Rings: the base is a multiple of 16 bytes, the length of 128, so of 8 descriptors (3.2.6, 3.4).
 */
#define E1000_RING_STEP 8u
#define E1000_RING_MAX  4096u

struct e1000_rx_descriptor { /* 3.2.3 */
    uint64_t address;
    uint16_t length;
    uint16_t checksum;
    uint8_t status;
    uint8_t errors;
    uint16_t special;
};

#define E1000_RX_DD          0x01u /* the device is done with it */
#define E1000_RX_EOP         0x02u /* the frame ends here */
#define E1000_RX_IXSM        0x04u /* nothing below holds */
#define E1000_RX_TCPCS       0x20u /* the transport checksum was verified, with TCPE as the result */
#define E1000_RX_ERROR_TCPE  0x20u
#define E1000_RX_ERROR_FRAME 0x97u /* CE, SE, SEQ, CXE, RXE: what the wire brought is damaged */

/* Three formats in one layout: legacy (3.3.3), context (3.3.6) and data (3.3.7). */
struct e1000_tx_descriptor {
    uint64_t address; /* context: E1000_TX_CONTEXT_* */
    uint32_t command; /* length in the lowest bits, and E1000_TX_* */
    uint8_t status;
    uint8_t options; /* data: E1000_TX_OPTION_* */
    uint16_t special;
};

#define E1000_TX_DATA         (1u << 20) /* DTYP, with DEXT; without: a context */
#define E1000_TX_EOP          (1u << 24)
#define E1000_TX_IFCS         (1u << 25) /* append the frame check sequence */
#define E1000_TX_RS           (1u << 27) /* report when done */
#define E1000_TX_DEXT         (1u << 29) /* not the legacy format */
#define E1000_TX_CONTEXT_IPV4 (1u << 25) /* TUCMD.IP; TUCMD.TCP clear: UDP */
#define E1000_TX_DD           0x01u
#define E1000_TX_OPTION_TXSM  0x02u /* insert the transport checksum */

/* Where the transport checksum begins (TUCSS) and is stored (TUCSO), bytes from the start of the
 * frame; TUCSE 0: it goes to the end. */
#define E1000_TX_CONTEXT_START(offset) ((uint64_t)(offset) << 32)
#define E1000_TX_CONTEXT_STORE(offset) ((uint64_t)(offset) << 40)

_Static_assert(sizeof(struct e1000_rx_descriptor) == 16, "receive descriptor layout");
_Static_assert(sizeof(struct e1000_tx_descriptor) == 16, "transmit descriptor layout");

#endif
