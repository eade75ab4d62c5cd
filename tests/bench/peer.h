/* What the peer's measurements share. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "../../user/bench/protocol.h"
#include "link.h"

#define QUESTION_PORT 5001 /* our ports */
#define ECHO_PORT     5002
#define BLAST_PORT    5003

#define QUESTION_MS 10000 /* until a question is given up, and a guest that stands still with it */

extern uint8_t pattern[BENCH_PAYLOAD_MAX]; /* what payloads hold */

/* Ends a command without a result: prints why. Always false. */
bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sends `count` datagrams, or as many as begin within so many milliseconds, with `in_flight` of
 * them under way, and prints how many came back, and how fast. False: it has failed. */
bool do_echo(size_t size, unsigned in_flight, uint64_t count, uint64_t milliseconds);
#define IN_FLIGHT_MAX 256

#endif
