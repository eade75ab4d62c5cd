/* What the tests of the e1000 driver share: one card with its model, the network stack above it,
 * and rings of 8 descriptors, so that they are soon full. The poll thread's round is called by
 * hand. */
#ifndef E1000_FIXTURE_H
#define E1000_FIXTURE_H

#include "fakenet.h"

#include "abi/errno.h"
#include "abi/netconf.h"
#include "dev/e1000_internal.h"
#include "e1000_device.h"
#include "pci_space.h"

#define BASE   0x40000000ul
#define SOURCE 33 /* slot 1, pin A */

extern const uint8_t our_mac[6], peer_mac[6];

extern struct pci_space_function *config;
extern struct pci_function function; /* the card, as the bus would describe it */
extern struct e1000_model model;
extern struct netdev *dev; /* after attach() */

int setup(void **state);
int teardown(void **state);

/* Keeps the record of `dev` known, which stays for good: so it is no leak. */
void keep(void);
/* Has the driver find the card, with rings of these sizes. */
void attach(unsigned rx_size, unsigned tx_size);
/* attach, up, and polled once, so that interrupts are on. */
void start(void);
/* The same, with a device that sends only when told. */
void start_held(void);

/* A frame to our address of a type that the stack does not know: it ends as a counted drop there.
 */
void receive_unknown(void);

/* Has the driver send a frame_to_send(); its result. */
int transmit(uint8_t mark);

#endif
