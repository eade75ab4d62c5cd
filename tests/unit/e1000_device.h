/* A model of an 8254x Ethernet controller, written from the device's side of Intel's manual and
 * from the requirement rows E1K-*: registers and descriptors by their own numbers, no definition
 * shared with the driver.
 *
 * It is obedient or hostile as a test wants: it sends late or never, takes its time for a reset or
 * does not come back from it, loses interrupts or invents them, delivers frames in pieces, damaged,
 * with impossible lengths, has a broken EEPROM or none, and can vanish. What the driver does wrong
 * fails the test at that place: registers of a ring written while it runs, tails out of range, a
 * frame without the end mark or shorter than Ethernet allows, accesses right after the reset.
 *
 * Include it behind host.h.
 */
#ifndef E1000_DEVICE_H
#define E1000_DEVICE_H

#include "host/devices.h"

#define E1000_MODEL_SIZE   0x20000u
#define E1000_MODEL_FRAMES 512
#define E1000_MODEL_WRITES 1024
#define E1000_MODEL_NEVER  UINT32_MAX

/* Interrupt causes */
#define MODEL_TXDW   0x01u
#define MODEL_TXQE   0x02u
#define MODEL_LSC    0x04u
#define MODEL_RXDMT0 0x10u
#define MODEL_RXO    0x40u
#define MODEL_RXT0   0x80u

/* Receive descriptor status and errors */
#define MODEL_DD    0x01u
#define MODEL_EOP   0x02u
#define MODEL_IXSM  0x04u
#define MODEL_TCPCS 0x20u
#define MODEL_TCPE  0x20u
#define MODEL_CE    0x01u

struct e1000_model_frame {
    uint8_t *bytes; /* heap block of exactly this length */
    size_t length;
};

struct e1000_model {
    unsigned source, wire; /* of the interrupt; see host/devices.h */

    /* What the test sets. */
    uint16_t eeprom[64];
    uint32_t eeprom_reads;   /* of EERD until DONE */
    uint32_t reset_reads;    /* of CTRL until RST is clear */
    bool reset_does_nothing; /* as in QEMU 7.2; else the registers are undefined afterwards */
    bool tx_held;            /* what the tail register shows waits for e1000_model_send() */
    bool interrupts_lost;
    /* Called when causes are about to be cleared by a write. */
    void (*before_clear)(struct e1000_model *model);
    void (*before_unmask)(struct e1000_model *model); /* called when IMS is about to be written */
    bool gone;                                        /* all reads give ones, writes nothing */

    uint32_t registers[E1000_MODEL_SIZE / 4];
    uint32_t icr, ims;
    uint32_t eeprom_left, reset_left;
    uint64_t reset_at; /* clock_ns() of the last reset; accesses are forbidden for a while */

    uint64_t context; /* the last one shown */
    uint8_t *pieces;  /* of the frame being sent, up to EOP */
    size_t pieces_length;
    unsigned piece_options;
    struct e1000_model_frame sent[E1000_MODEL_FRAMES]; /* oldest first */
    unsigned sent_count, contexts;

    unsigned reads;                                  /* of any register */
    unsigned icr_reads, rctl_writes, tail_writes[2]; /* RDT, TDT */
    unsigned publishes; /* dma_publish() calls up to the last tail write */
    struct {
        uint32_t offset, value;
    } writes[E1000_MODEL_WRITES]; /* the first ones since the device was made */
    unsigned write_count;
    unsigned resets, missed;
};

/* A device with this address, link up, at an address of the test's choice. */
void e1000_model_init(struct e1000_model *model, uintptr_t base, unsigned source, unsigned wire,
                      const uint8_t *mac);
void e1000_model_clear(struct e1000_model *model);      /* forgets what was sent */
void e1000_model_eeprom_fix(struct e1000_model *model); /* makes the checksum right */

/* Sends up to n held descriptors; returns how many there were. */
unsigned e1000_model_send(struct e1000_model *model, unsigned n);

/* A frame from the wire: true if the filters let it in and there was room. */
bool e1000_model_receive(struct e1000_model *model, const void *bytes, size_t n);
/* The same past the filters, with status bits beside DD and EOP, and with errors. */
bool e1000_model_receive_as(struct e1000_model *model, const void *bytes, size_t n, uint8_t status,
                            uint8_t errors);
/* Hands back one descriptor as told, without moving data. */
void e1000_model_receive_raw(struct e1000_model *model, uint16_t length, uint8_t status,
                             uint8_t errors);
/* How many descriptors the device has for reception. */
unsigned e1000_model_posted(const struct e1000_model *model);

void e1000_model_link(struct e1000_model *model, bool up);
void e1000_model_interrupt(struct e1000_model *model, uint32_t causes);

/* Number of the first write at or behind number `from` to this register with all of `bits` set; -1:
 * none. */
int e1000_model_written(const struct e1000_model *model, int from, unsigned offset, uint32_t bits);

uint32_t e1000_model_register(const struct e1000_model *model, unsigned offset);

#endif
