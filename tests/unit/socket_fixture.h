/* What the tests of UDP, sockets and the configuration share: the stack with one fake Ethernet
 * device (eth0, 10.0.2.15/24, a neighbour whose MAC is known), sockets that are closed and mbufs
 * that are counted at the end of each test, and datagrams in both directions as bytes on the wire.
 */
#ifndef SOCKET_FIXTURE_H
#define SOCKET_FIXTURE_H

#include "host/host.h"

#include "abi/socket.h"
#include "host/fakenet.h"
#include "lib/byteorder.h"
#include "net/counters.h"
#include "net/net.h"
#include "net/socket.h"

#define OWN_ADDRESS   BE32(0x0a00020f) /* 10.0.2.15 */
#define OWN_MASK      BE32(0xffffff00)
#define SUBNET_ALL    BE32(0x0a0002ff)
#define PEER_ADDRESS  BE32(0x0a000202) /* 10.0.2.2 */
#define OTHER_ADDRESS BE32(0x0a000203)

extern struct fakenet eth;

/* Enters it into the ARP cache, with the MAC 52:54:00:00:00:<last>, for good. 0 or a negated errno. */
int neighbour_set(be32_t address, uint8_t last);

int fixture_setup(void **state);    /* for cmocka_unit_test_setup_teardown */
int fixture_teardown(void **state); /* also fails if an mbuf or a file is left over */

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* --- sockets --- */
struct socket *udp_socket(void);
struct socket *ping_socket(void);
struct file *file_of(struct socket *socket);
void socket_end(struct socket *socket); /* closes it before the end of the test */

struct sockaddr_in name_of(be32_t address, uint16_t port);
int bind_to(struct socket *socket, be32_t address, uint16_t port);
int connect_to(struct socket *socket, be32_t address, uint16_t port);
uint16_t local_port(struct socket *socket);
be32_t local_address(struct socket *socket);
/* sendto: n bytes of `bytes` to the address, or to the peer if it is 0. */
ssize_t send_to(struct socket *socket, const void *bytes, size_t n, be32_t address, uint16_t port);
ssize_t receive(struct socket *socket, void *to, size_t room, int flags); /* never sleeps */
int set_option(struct socket *socket, int level, int option, int value);
int get_option(struct socket *socket, int level, int option); /* the value, or a negated errno */

/* --- the wire --- */
struct datagram {
    be32_t source, destination;
    uint16_t source_port, destination_port;
    const void *payload;
    size_t length;
    int udp_length; /* what the header says; 0: what is right */
    int checksum;   /* CHECKSUM_* or a value for the field */
    uint8_t mbuf_flags;
};
#define CHECKSUM_RIGHT 0x10000
#define CHECKSUM_WRONG 0x10001

/* A datagram to us, from the peer's port 1000 to ours 7, with a right checksum. */
struct datagram datagram_with(const void *payload, size_t length);
/* Writes IP and UDP header and payload to `to`; the length. */
size_t datagram_build(const struct datagram *datagram, uint8_t *to);
/* Hands it to udp_input as IP would: `cut` bytes of the IP payload are missing. */
void datagram_arrive_cut(const struct datagram *datagram, size_t cut);
void datagram_arrive(const struct datagram *datagram);
/* The same as a frame through the whole stack, to the device's own MAC or to all. */
void datagram_arrive_in_frame(const struct datagram *datagram);

/* A right checksum of UDP over these bytes, computed byte by byte. */
uint16_t reference_checksum(be32_t source, be32_t destination, const uint8_t *udp, size_t n);
uint16_t get16(const uint8_t *at);

/* The only frame sent since the last look (fails if it is not one): its IP packet. */
const uint8_t *sent_packet(size_t *length);

uint64_t counter(enum net_counter which);

#endif
