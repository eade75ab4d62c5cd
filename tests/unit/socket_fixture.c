/* See socket_fixture.h. */
#include "socket_fixture.h"

#include "net/wire.h"

#include <sanitizer/asan_interface.h>

#define SOCKETS_MAX   64
#define FIXTURE_MBUFS 320 /* half of which may wait in sockets: enough for two full queues */
#define UDP_AT        20  /* of an IP packet without options */
#define PAYLOAD_AT    28

struct fakenet eth;
static struct file *open_files[SOCKETS_MAX];
static unsigned open_count;
static size_t files_before;
static const uint8_t peer_mac[] = {0x52, 0x54, 0, 0, 0, 0x99};

int neighbour_set(be32_t address, uint8_t last)
{
    struct arpreq request = {.arp_flags = ATF_PERM | ATF_COM};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    memcpy(&request.arp_pa, &in, sizeof(in));
    request.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(request.arp_ha.sa_data, peer_mac, sizeof(peer_mac));
    request.arp_ha.sa_data[5] = (char)last;
    return arp_entry_set(&request);
}

int fixture_setup(void **state)
{
    (void)state;
    if (mbuf_total() == 0)
        fakenet_mbufs_make(FIXTURE_MBUFS); /* more than the fake's: it makes none then */
    fakenet_stack_init();
    fakenet_init(&eth, "eth0", 1);
    assert_int_equal(ip_set_address(&eth.dev, OWN_ADDRESS, OWN_MASK), 0);
    assert_int_equal(neighbour_set(PEER_ADDRESS, peer_mac[5]), 0);
    assert_int_equal(neighbour_set(OTHER_ADDRESS, peer_mac[5]), 0);
    fakenet_clear(&eth);
    files_before = host_files_used();
    return 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    while (open_count > 0)
        file_release(open_files[--open_count]);
    fakenet_clear(&eth);
    arp_flush(NULL);
    fakenet_assert_no_leak();
    assert_int_equal(host_files_used(), files_before);
    assert_int_equal(host_locks_held(), 0);
    return 0;
}

/* --- sockets --- */

static struct socket *open_socket(int protocol)
{
    assert_true(open_count < SOCKETS_MAX);
    struct file **file = &open_files[open_count];
    assert_int_equal(socket_create(AF_INET, SOCK_DGRAM, protocol, file), 0);
    return socket_from_file(open_files[open_count++]);
}

struct socket *udp_socket(void) { return open_socket(0); }
struct socket *ping_socket(void) { return open_socket(IPPROTO_ICMP); }

static unsigned file_index(struct socket *socket)
{
    unsigned i = 0;
    while (i < open_count && socket_from_file(open_files[i]) != socket)
        i++;
    assert_true(i < open_count);
    return i;
}

struct file *file_of(struct socket *socket) { return open_files[file_index(socket)]; }

void socket_end(struct socket *socket)
{
    unsigned i = file_index(socket);
    file_release(open_files[i]);
    open_files[i] = open_files[--open_count];
}

struct sockaddr_in name_of(be32_t address, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {address}};
}

int bind_to(struct socket *socket, be32_t address, uint16_t port)
{
    struct sockaddr_in name = name_of(address, port);
    return socket_bind(socket, (struct sockaddr *)&name, sizeof(name));
}

int connect_to(struct socket *socket, be32_t address, uint16_t port)
{
    struct sockaddr_in name = name_of(address, port);
    return socket_connect(socket, (struct sockaddr *)&name, sizeof(name));
}

uint16_t local_port(struct socket *socket)
{
    struct sockaddr_in name;
    assert_int_equal(socket_getsockname(socket, &name), 0);
    return ntohs(name.sin_port);
}

be32_t local_address(struct socket *socket)
{
    struct sockaddr_in name;
    assert_int_equal(socket_getsockname(socket, &name), 0);
    assert_int_equal(name.sin_family, AF_INET);
    return name.sin_addr.s_addr;
}

ssize_t send_to(struct socket *socket, const void *bytes, size_t n, be32_t address, uint16_t port)
{
    struct uio uio = host_uio((void *)(uintptr_t)bytes, n);
    struct sockaddr_in to = name_of(address, port);
    return socket_sendto(socket, &uio, 0, address ? (struct sockaddr *)&to : NULL, sizeof(to));
}

ssize_t receive(struct socket *socket, void *to, size_t room, int flags)
{
    struct uio uio = host_uio(to, room);
    return socket_recvfrom(socket, &uio, flags | MSG_DONTWAIT, NULL);
}

int set_option(struct socket *socket, int level, int option, int value)
{
    return socket_setsockopt(socket, level, option, &value, sizeof(value));
}

int get_option(struct socket *socket, int level, int option)
{
    int value = 0;
    socklen_t length = sizeof(value);
    int result = socket_getsockopt(socket, level, option, &value, &length);
    if (result == 0)
        assert_int_equal(length, sizeof(value));
    return result < 0 ? result : value;
}

/* --- the wire --- */

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static uint32_t reference_sum(const uint8_t *bytes, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
    return sum;
}

static uint16_t reference_fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint16_t reference_checksum(be32_t source, be32_t destination, const uint8_t *udp, size_t n)
{
    uint8_t pseudo[12] = {[9] = IPPROTO_UDP};
    memcpy(pseudo, &source, 4);
    memcpy(pseudo + 4, &destination, 4);
    put16(pseudo + 10, (uint16_t)n);
    return reference_fold(reference_sum(pseudo, sizeof(pseudo)) + reference_sum(udp, n));
}

struct datagram datagram_with(const void *payload, size_t length)
{
    return (struct datagram){.source = PEER_ADDRESS,
                             .destination = OWN_ADDRESS,
                             .source_port = 1000,
                             .destination_port = 7,
                             .payload = payload,
                             .length = length,
                             .checksum = CHECKSUM_RIGHT};
}

size_t datagram_build(const struct datagram *datagram, uint8_t *to)
{
    size_t n = PAYLOAD_AT + datagram->length;
    memset(to, 0, PAYLOAD_AT);
    to[0] = 0x45;
    put16(to + 2, (uint16_t)n);
    to[8] = 64;
    to[9] = IPPROTO_UDP;
    memcpy(to + 12, &datagram->source, 4);
    memcpy(to + 16, &datagram->destination, 4);
    put16(to + 10, reference_fold(reference_sum(to, UDP_AT)));

    uint8_t *udp = to + UDP_AT;
    size_t udp_length = 8 + datagram->length;
    put16(udp, datagram->source_port);
    put16(udp + 2, datagram->destination_port);
    put16(udp + 4, (uint16_t)(datagram->udp_length ? datagram->udp_length : (int)udp_length));
    if (datagram->length)
        memcpy(udp + 8, datagram->payload, datagram->length);
    /* The sum covers what the length field says, as far as it is there. */
    size_t covered = MIN((size_t)get16(udp + 4), udp_length);
    uint16_t right = reference_checksum(datagram->source, datagram->destination, udp, covered);
    if (right == 0)
        right = 0xffff;
    if (datagram->checksum == CHECKSUM_RIGHT)
        put16(udp + 6, right);
    else if (datagram->checksum == CHECKSUM_WRONG)
        put16(udp + 6, right == 1 ? 2 : (uint16_t)(right - 1));
    else
        put16(udp + 6, (uint16_t)datagram->checksum);
    return n;
}

void datagram_arrive_cut(const struct datagram *datagram, size_t cut)
{
    uint8_t packet[2048];
    size_t n = datagram_build(datagram, packet) - cut;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    assert_non_null(m);
    /* At a multiple of 4, like every IP header, and as near to the end of the page as that permits. */
    m->data = (uint8_t *)m + PAGE_SIZE - ALIGN_UP(n, 4);
    __asan_unpoison_memory_region(m->data, n); /* fakenet.c may have used it */
    m->length = (uint32_t)n;
    memcpy(m->data, packet, n);
    m->dev = &eth.dev;
    m->flags = datagram->mbuf_flags;
    m->ip_header = m->data;
    m->ip_header_length = UDP_AT;
    m->source = datagram->source;
    m->destination = datagram->destination;
    mbuf_pull(m, UDP_AT);
    udp_input(&eth.dev, m);
}

void datagram_arrive(const struct datagram *datagram) { datagram_arrive_cut(datagram, 0); }

void datagram_arrive_in_frame(const struct datagram *datagram)
{
    uint8_t frame[2048];
    bool broadcast = datagram->destination != OWN_ADDRESS;
    memset(frame, 0xff, 6);
    if (!broadcast)
        memcpy(frame, eth.dev.mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    put16(frame + 12, ETHER_TYPE_IP);
    size_t n = 14 + datagram_build(datagram, frame + 14);
    frame[n] = 0xee; /* padding, which IP trims; it also keeps the headers at even addresses */
    fakenet_receive(&eth, frame, n + n % 2);
}

const uint8_t *sent_packet(size_t *length)
{
    assert_int_equal(eth.frame_count, 1);
    assert_true(eth.frames[0].length >= 34);
    assert_int_equal(get16(eth.frames[0].bytes + 12), ETHER_TYPE_IP);
    *length = eth.frames[0].length - 14;
    return eth.frames[0].bytes + 14;
}

uint64_t counter(enum net_counter which) { return net_counters[which]; }
