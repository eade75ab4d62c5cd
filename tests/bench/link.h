/* The cable's other end: a stream socket that QEMU connects to (`-netdev stream`), on which each
 * Ethernet frame stands behind its length (4 bytes, big-endian).
 *
 * Both directions are non-blocking: the two ends can never wait for each other. link_wait() is
 * the only place where the peer sleeps. A frame that came in is valid until the next
 * link_wait(); all frames that are there have to be taken before it.
 */
#ifndef BENCH_LINK_H
#define BENCH_LINK_H

#include "frames.h"

extern bool link_gone; /* QEMU has ended, or what it sends makes no sense: nothing more will come */
extern uint64_t link_bad; /* UDP frames to us with something wrong in them */

uint64_t now_ns(void);
uint64_t in_ms(uint64_t milliseconds); /* that time from now, for a deadline */

bool link_open(const char *path); /* listens, and waits for QEMU; false: the reason is on stderr */

/* Sleeps until the stream can be read or, if something is left to be written, written, or until
 * the deadline (as now_ns()); then reads what there is. */
void link_wait(uint64_t deadline);

/* The next frame that has arrived whole; NULL: there is none. */
uint8_t *in_frame(size_t *length);
/* Serves what comes in beside the measured traffic: ARP. True if it is a right datagram to us. */
bool frame_take(uint8_t *frame, size_t length, struct datagram *datagram);
/* Takes all frames there are, which are of no interest but for ARP. */
void in_ignore(void);
/* Waits for a datagram to a port of ours, ignoring others; false at the deadline. */
bool datagram_wait(uint16_t port, struct datagram *datagram, uint64_t deadline);

/* Appends a frame of so many bytes, which the caller fills in at once; NULL if there is no room. */
uint8_t *out_frame(size_t length);
void send_datagram(uint16_t from, uint16_t to, const void *payload, size_t size);
/* Writes what the stream takes now. */
void out_flush(void);
/* Until everything has gone into the stream; false at the deadline. */
bool out_finish(uint64_t deadline);

#endif
