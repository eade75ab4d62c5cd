"""Lab 5, IPv4 and ICMP: the cases that students have too (RFC 791, 792, 1071, 1122 3.2). What closes a step is an
echo request that the guest must answer, so a kernel that answers nothing passes nothing."""

import secrets

from casebook import case
from session import (GATEWAY_ETH, GUEST, GUEST_MAC, PEER, PEER_ETH, STRANGER, fresh, pattern, udp_to, value_of,
                     wire)

TITLE = "Lab 5: IPv4 and ICMP"
FILES = ["kernel/net/ip.c", "kernel/net/icmp.c", "kernel/net/checksum.c"]
EMSGSIZE, ECONNREFUSED, EHOSTUNREACH = -90, -111, -113


def echo(payload=b"payload", **fields):
    ethernet, source = fields.pop("ethernet", GUEST_MAC), fields.pop("source", PEER)
    kind, code = fields.pop("kind", wire.ICMP_ECHO), fields.pop("code", 0)
    return wire.icmp_frame(PEER_ETH, ethernet, source, fields.pop("destination", GUEST), kind, code,
                           fields.pop("rest", b"\0\1\0\2"), payload, **fields)


def udp(payload=b"data", port=9999, **fields):
    ethernet, source = fields.pop("ethernet", GUEST_MAC), fields.pop("source", PEER)
    return wire.udp_frame(PEER_ETH, ethernet, source, fields.pop("destination", GUEST), 1234, port, payload, **fields)


def echo_reply(rest):
    return lambda f: bool((m := wire.parse_icmp(f)) and m.kind == wire.ICMP_ECHO_REPLY and m.rest == rest)


def unreachable(f):
    return bool((m := wire.parse_icmp(f)) and m.kind == wire.ICMP_UNREACHABLE)


def dropped(s, counter, *frames, cause=None):
    """Each frame, given with its description, must be dropped in silence, and counted."""
    for text, frame in frames:
        before = s.counters(counter)
        s.silence(text, frame, text=text, cause=cause)
        s.counted(before, counter)


@case(0, "boots, and the console works")
def boot(s):
    s.rounds(3)


@case(8, "echo requests of every size are answered, with their own data")
def echo_sizes(s):
    for size in (0, 1, 2, 3, 7, 8, 33, 55, 56, 1000, 1471, 1472):
        rest, payload, since = secrets.token_bytes(4), secrets.token_bytes(size), s.here()
        s.send(echo(payload, rest=rest), f"an echo request with {size} bytes")
        frame = s.wait("the reply", echo_reply(rest), since)
        s.fields("the reply", frame, {"icmp.code": 0, "icmp.packet.source": GUEST, "icmp.packet.destination": PEER,
                                      "eth.destination": PEER_ETH, "icmp.payload": payload}, since)
    for zeros in range(4, 12, 2):  # wherever the data begin, one of these has eight bytes of a word there
        since, payload = s.here(), bytes(zeros) + b"\xff" * 11
        s.send(echo(payload, rest=bytes(4)), f"an echo request with {zeros} zeros and 11 bytes 0xff")
        s.wait("the reply", echo_reply(bytes(4)), since,
               cause="a carry is lost when the last bytes, fewer than a word, are added")
    since = s.here()
    s.send(echo(bytes(8), rest=bytes(4)), "an echo request whose reply has nothing but zeros in it")
    frame = s.wait("the reply", echo_reply(bytes(4)), since)
    s.same("faults in what was sent", [], s.link.faults[:1], frame=s.index_of(frame, since),
           cause="one's complement has two zeros: a message of nothing but zeros has the checksum 0xffff")


@case(6, "a reply has the type of service of its request, and a TTL of its own")
def echo_fields(s):
    for tos, ttl in ((0, 1), (0x20, 1), (0xB8, 0)):
        rest, since = secrets.token_bytes(4), s.here()
        s.send(echo(rest=rest, tos=tos, ttl=ttl, identification=fresh(1, 65536)),
               f"an echo request with type of service {tos:#x} and TTL {ttl}")
        frame = s.wait("the reply", echo_reply(rest), since,
                       cause="if echo-sizes passes: a host takes a datagram whatever its TTL")
        s.same("its type of service (RFC 1122, 3.2.1.6)", tos, frame[15], frame=s.index_of(frame, since))
        s.same("its TTL", 64, value_of(frame, "icmp.packet.ttl"))
        s.same("its identification", 0, value_of(frame, "icmp.packet.identification"),
               cause="a field that is not set has what was in the buffer: here, the request's")


@case(7, "ICMP messages with a wrong checksum, or too short, are dropped and counted")
def icmp_damage(s):
    flipped = bytearray(echo(b"some payload"))
    flipped[-1] ^= 4
    dropped(s, "icmp.bad_checksum", ("checksum 0x4321", echo(check=0x4321)), ("one bit changed", bytes(flipped)),
            ("checksum 0", echo(b"odd", check=0)))
    whole = b"\x08\0\xf7\xff\0\0\0\0"
    for length in (0, 1, 4, 7):
        dropped(s, "icmp.too_short", (f"an ICMP message of {length} bytes", wire.ethernet(
            GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST, 1, whole[:length]))))


@case(8, "headers that cannot be are dropped and counted")
def headers(s):
    beyond = wire.ethernet(GUEST_MAC, PEER_ETH, 0x0800, wire.ipv4(PEER, GUEST, 1, b"", header_words=15))
    dropped(s, "ip.bad_version", ("version 6", echo(version=6)), ("version 0", echo(version=0)))
    dropped(s, "ip.bad_header_length", ("a header of 16 bytes", echo(header_words=4)),
            ("a header that is longer than the frame", beyond))
    dropped(s, "ip.bad_length", ("a total length of 200", echo(total_length=200)),
            ("a total length of 19", echo(total_length=19)),
            ("a total length of 65535", echo(total_length=65535)))
    dropped(s, "ip.too_short", ("19 bytes of a header", echo()[:33]), ("no header", echo()[:14]))


@case(7, "a damaged header is found by its checksum")
def header_checksum(s):
    damaged = []
    for at in (1, 2, 4, 8, 12, 19):
        frame = bytearray(echo())
        frame[14 + at] ^= 0x10
        damaged.append((f"byte {at} of the header changed", bytes(frame)))
    dropped(s, "ip.bad_checksum", ("checksum 0x1234", echo(header_checksum=0x1234)),
            ("checksum 0", echo(header_checksum=0)), *damaged,
            cause="the one's complement sum over the whole header, checksum included, must be all ones; no field is "
            "looked at before")


@case(6, "what Ethernet adds to reach 60 bytes is not data")
def trimming(s):
    for size in (0, 1, 3, 17):
        payload, rest, since = secrets.token_bytes(size), secrets.token_bytes(4), s.here()
        frame = echo(payload, rest=rest)
        s.send(frame + b"\xee" * (60 - len(frame)), f"an echo request of {size} bytes in a padded frame")
        frame = s.wait("the reply", echo_reply(rest), since, cause="the total length, not the frame's, says where "
                       "the datagram ends; the checksum covers no padding")
        s.fields("the reply", frame, {"icmp.payload": payload}, since)


@case(7, "datagrams for others are not taken")
def destinations(s):
    dropped(s, "ip.not_for_us", *[(f"to {text}", echo(destination=wire.ip(text))) for text in (
        "10.0.2.77", "10.0.3.255", "127.0.0.1", "0.0.0.0", "10.0.2.14", "11.0.2.15")])
    s.good("set virtio0 promisc")  # the device would filter groups that nobody has joined
    dropped(s, "ip.unicast_in_broadcast",
            ("to us, in a broadcast frame (RFC 1122, 3.3.6)", echo(ethernet=wire.BROADCAST_MAC)),
            ("to us, in a multicast frame", echo(ethernet=b"\1\0\x5e\0\0\1")))
    dropped(s, "ip.not_for_us", *[
        (f"to a group that nobody has joined, in a frame for {text}",
         echo(destination=wire.ip("224.0.0.1"), ethernet=to))
        for text, to in (("it", b"\1\0\x5e\0\0\1"), ("us", GUEST_MAC))])


@case(6, "datagrams from what is no single host are not taken")
def sources(s):
    dropped(s, "ip.bad_source", *[(f"from {text}", echo(source=wire.ip(text))) for text in (
        "255.255.255.255", "10.0.2.255", "10.255.255.255", "224.1.2.3", "127.0.0.1", "240.1.2.3", "10.0.2.15",
        "0.0.0.0")])
    dropped(s, "ip.bad_source", ("from 127.0.0.1, to 10.0.2.77",
                                 echo(source=wire.ip("127.0.0.1"), destination=wire.ip("10.0.2.77"))),
            cause="the first check that fails is counted: the head of ip.c has their order")


@case(6, "options are passed over; broken ones are dropped and counted")
def options(s):
    for good in (b"\x94\4\0\0", b"\x94\4\0\0\1\1\0\0", b"\1\1\1\1", b"\1\0\x94\1"):
        rest, since = secrets.token_bytes(4), s.here()
        s.send(echo(options=good, rest=rest), f"an echo request with options {good.hex()}")
        frame = s.wait("the reply", echo_reply(rest), since, cause="the data begin where the header length "
                       "says, and what follows the end of the options is none")
        s.fields("the reply", frame, {"icmp.payload": b"payload"}, since)
    dropped(s, "ip.bad_options", *[(f"options {bad.hex()}", echo(options=bad)) for bad in (
        b"\x94\0\0\0", b"\x94\1\0\0", b"\x94\x28\0\0", b"\1\1\1\x94")],
        cause="an option's length covers itself and stays inside the header")


def sends(s, sizes):
    """Datagrams of these sizes to a port of the peer's, which is returned."""
    port = s.peer.open(lambda _: None)
    s.good("open 1 0 nb")
    for size in sizes:
        seed, since = secrets.token_hex(4), s.here()
        s.good(f"send 1 10.0.2.100 {port} {size} {seed}", size)
        frame = s.wait("the datagram", udp_to(port), since)
        s.fields("the datagram", frame, {
            "eth.destination": PEER_ETH, "udp.packet.source": GUEST, "udp.packet.destination": PEER,
            "udp.packet.ttl": 64, "udp.packet.flags_offset": 0x4000, "udp.packet.identification": 0,
            "udp.payload": pattern(seed.encode(), size)}, since, causes={
                "udp.packet.flags_offset": "all that is sent may not be fragmented (RFC 6864, 4.1)",
                "udp.packet.identification": "the head of ip.c says which one; a field that is not set has what was in "
                                             "the buffer"})
    return port


@case(8, "datagrams go out with a right header, to the right station")
def output(s):
    port = sends(s, (0, 1, 100, 1472))
    group = b"\1\0\x5e\x41\2\3"
    for kind, address, station in (
            ("broadcast", "10.0.2.255", wire.BROADCAST_MAC), ("broadcast", "255.255.255.255", wire.BROADCAST_MAC),
            ("datagram for another network", f"192.0.2.{fresh(1, 255)}", GATEWAY_ETH),
            ("datagram for a group", "224.65.2.3", group), ("datagram for a group", "239.193.2.3", group)):
        since = s.here()
        s.good(f"send 1 {address} {port} 5 x", 5)
        frame = s.wait(f"the {kind}", udp_to(port), since)
        s.fields(f"the {kind}", frame, {"eth.destination": station, "udp.packet.destination": wire.ip(address)}, since,
                 causes={"eth.destination": "a group's address has its last 23 bits (RFC 1112, 6.4)"
                         if station == group else None,
                         "udp.packet.destination": "the frame goes to the next hop, the datagram to its destination"})
    held, before = s.mbufs_held(), s.counters("ip.send_too_long")
    s.good(f"send 1 10.0.2.100 {port} 1473 x", EMSGSIZE, cause="1500 bytes are the MTU, headers included")
    s.counted(before, "ip.send_too_long")
    s.no_leak("a datagram was too long", held)
    for _ in range(400):  # three requests for an address that nobody has, a second each
        told = s.number(f"send 1 {wire.ip_text(STRANGER)} {port} 5 x")
        if told != 5:
            break
        s.round()
    s.same("what the sender is told once a neighbour was found missing", EHOSTUNREACH, told,
           cause="the sender gets the link's answer")
    s.same("faults in what was sent", [], s.link.faults[:1])


@case(7, "port and protocol unreachable quote the datagram as it came")
def errors(s):
    for size, fields in ((0, {}), (1, {"ttl": 57}), (8, {"tos": 0x20, "identification": 0x1234, "flags_offset": 0}),
                         (200, {}), (20, {"options": b"\x94\4\0\0"}), (520, {}), (521, {}), (1000, {})):
        sent, since = udp(b"q" * size, **fields), s.here()
        s.send(sent)
        frame = s.wait("port unreachable", unreachable, since)
        s.fields("the error", frame, {"icmp.code": 3, "icmp.rest": b"\0" * 4, "icmp.packet.destination": PEER}, since)
        quoted = wire.parse_icmp(frame).payload
        s.same("the quotation", sent[14:14 + len(quoted)], quoted,
               cause="the header and data are quoted unchanged, from the IP header on (RFC 1122, 3.2.2)")
        s.same("the quotation's length", min(len(sent) - 14, 548), len(quoted),
               cause="as much as fits in 576 bytes, IP header and ICMP header included (RFC 1812, 4.3.2.3)")
    before = s.counters("ip.unknown_protocol")
    sent = wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST, 253, b"whatever this is"))
    since = s.here()
    s.send(sent, "a datagram of protocol 253")
    frame = s.wait("protocol unreachable", unreachable, since)
    s.fields("the error", frame, {"icmp.code": 2, "icmp.payload": sent[14:]}, since)
    s.counted(before, "ip.unknown_protocol")
