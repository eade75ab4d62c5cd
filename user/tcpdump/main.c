/* tcpdump [-i INTERFACE] [-c COUNT] [-w FILE] [FILTER]: shows what passes the network interfaces.
 *
 * Without -i it listens on all Ethernet interfaces, without -c until ^C. -w writes the frames, in the
 * classic pcap format, to a file that tshark, Wireshark and scapy read, each as soon as it comes. FILTER:
 * see filter.c.
 */
#include "tcpdump.h"

#include "../lib/netconf.h"
#include "../lib/output.h"

#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INTERFACES_MAX 16

/* The file format: draft-ietf-opsawg-pcap. In the byte order of the machine that writes it. */
#define PCAP_MAGIC        0xa1b2c3d4u /* times in microseconds */
#define LINKTYPE_ETHERNET 1
#define LINKTYPE_RAW      101 /* bare IP datagrams */

struct pcap_file_header {
    uint32_t magic;
    uint16_t version_major, version_minor;
    int32_t zone;
    uint32_t accuracy;
    uint32_t longest;
    uint32_t link_type;
};

struct pcap_record_header {
    uint32_t seconds, microseconds;
    uint32_t captured, length;
};

static const char *interface, *path;
static long limit; /* frames; 0: none */
static int output = -1;
static char names[INTERFACES_MAX + 1][IFNAMSIZ]; /* by interface index */

static void usage(void) { errx(2, "usage: tcpdump [-i INTERFACE] [-c COUNT] [-w FILE] [FILTER]"); }

static long count_read(const char *text)
{
    const char *wrong;
    long number = strtonum(text, 1, LONG_MAX, &wrong);

    if (wrong)
        errx(2, "%s: not a number of frames", text);
    return number;
}

static void read_options(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "i:c:w:")) != -1;) {
        if (option == 'i')
            interface = optarg;
        if (option == 'w')
            path = optarg;
        if (option == 'c')
            limit = count_read(optarg);
        if (option == '?')
            usage();
    }
    filter_read(argv + optind);
}

/* Fills the names in; returns the index of the one to listen on, 0 for all. */
static int find_interface(void)
{
    char list[INTERFACES_MAX][IFNAMSIZ];
    int count = interface_list(list, INTERFACES_MAX), wanted = 0;
    struct ifreq ifr;

    for (int i = 0; i < count; i++) {
        if (interface_get(list[i], SIOCGIFINDEX, &ifr) || ifr.ifr_ifindex > INTERFACES_MAX)
            continue;
        memcpy(names[ifr.ifr_ifindex], list[i], IFNAMSIZ);
        if (interface && strcmp(list[i], interface) == 0)
            wanted = ifr.ifr_ifindex;
    }
    if (interface && !wanted)
        errx(1, "%s: no such interface", interface);
    return wanted;
}

static void write_all(const void *from, size_t n)
{
    if (write(output, from, n) != (ssize_t)n)
        err(1, "%s", path);
}

/* A file has one type of frames: which, the interface tells. */
static void open_output(void)
{
    bool loopback = interface && strcmp(interface, "lo") == 0;
    struct pcap_file_header header = {
        .magic = PCAP_MAGIC,
        .version_major = 2,
        .version_minor = 4,
        .longest = PACKET_BYTES_MAX,
        .link_type = loopback ? LINKTYPE_RAW : LINKTYPE_ETHERNET,
    };

    output = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (output < 0)
        err(1, "%s", path);
    write_all(&header, sizeof header);
}

/* Header and frame in one write, so that whatever ends the program leaves whole records. */
static void write_frame(const struct frame *frame)
{
    const struct packet_record *record = frame->record;
    static struct {
        struct pcap_record_header header;
        uint8_t bytes[PACKET_BYTES_MAX];
    } out;

    out.header = (struct pcap_record_header){
        .seconds = (uint32_t)(record->time_ns / 1000000000),
        .microseconds = (uint32_t)(record->time_ns / 1000 % 1000000),
        .captured = record->captured,
        .length = record->length,
    };
    memcpy(out.bytes, frame->bytes, record->captured);
    write_all(&out, sizeof out.header + record->captured);
}

/* Without -i, loopback's datagrams are left out: they are no Ethernet frames. */
static bool wanted(const struct frame *frame)
{
    return (interface || !frame->record->loopback) && filter_wants(frame);
}

int main(int argc, char **argv)
{
    static struct {
        struct packet_record record;
        uint8_t bytes[PACKET_BYTES_MAX];
    } in;
    struct frame frame;

    read_options(argc, argv);
    int fd = socket(AF_PACKET, SOCK_RAW, find_interface());
    if (fd < 0)
        err(1, "capture");
    if (path)
        open_output();
    fprintf(stderr, "listening on %s\n", interface ? interface : "all Ethernet interfaces");
    for (long shown = 0; limit == 0 || shown < limit;) {
        if (read(fd, &in, sizeof in) < (ssize_t)sizeof in.record)
            err(1, "capture");
        if (in.record.missed)
            fprintf(stderr, "%u frames missed\n", in.record.missed);
        frame_decode(&frame, &in.record, in.bytes);
        if (!wanted(&frame))
            continue;
        shown++;
        if (path)
            write_frame(&frame);
        else
            frame_print(&frame, names[in.record.interface]);
        if (ferror(stdout)) /* nobody would see the rest */
            break;
    }
    return output_status(0, 1);
}
