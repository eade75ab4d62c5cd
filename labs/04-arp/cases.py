"""Lab 4, Ethernet and ARP: the cases that students have too (RFC 826, 894, 1122 2.3, 5227). Most need nothing above
ARP: what closes a step is an ARP request that the guest must answer."""

import secrets

from casebook import case
from session import (GUEST, GUEST_MAC, PEER, PEER_ETH, STRANGER, STRANGER_ETH, ZERO, arp_reply_to, arp_request_for,
                     fresh, is_announcement, pattern, udp_to, wire)

TITLE = "Lab 4: Ethernet and ARP"
FILES = ["kernel/net/ether.c", "kernel/net/arp.c", "kernel/net/arp_table.c"]
EHOSTUNREACH = -113
SNAP = b"\xaa\xaa\x03\0\0\0"  # RFC 1042: LLC and organisation code; the type follows
OTHER_ETH = wire.mac("52:55:0a:00:02:65")


def request(sender=PEER, mac=PEER_ETH, target=GUEST, operation=wire.ARP_REQUEST, **fields):
    return wire.arp_frame(mac, wire.BROADCAST_MAC, operation, sender, target, **fields)


def any_host():
    """An address that the guest has not heard of, and its station."""
    return b"\x0a\0\2" + bytes([fresh(110, 200)]), b"\x52\x55" + secrets.token_bytes(4)


def reply_from(ip, mac):
    return wire.arp_frame(mac, GUEST_MAC, wire.ARP_REPLY, ip, GUEST, GUEST_MAC)


def introduce(s, ip, mac):
    since = s.here()
    s.send(request(ip, mac))
    return s.wait(f"an ARP reply to {wire.ip_text(ip)}", arp_reply_to(ip), since)


@case(0, "boots, and the console works", hosts=False)
def boot(s):
    s.rounds(3)


@case(8, "a request for our address is answered, to the asker alone", hosts=False)
def reply(s):
    for _ in range(3):
        ip, mac = any_host()
        since = s.here()
        frame = introduce(s, ip, mac)
        s.fields("the reply", frame, {
            "eth.destination": mac, "eth.source": GUEST_MAC, "arp.operation": 2, "arp.sender_mac": GUEST_MAC,
            "arp.sender_ip": GUEST, "arp.target_mac": mac, "arp.target_ip": ip}, since,
            causes={"eth.destination": "a reply goes to the asker, not to all (RFC 826)",
                    "arp.sender_ip": "sender and target change places in a reply"})
        s.arp_fence()
        s.same("replies to one request", 1, sum(map(arp_reply_to(ip), s.link.from_guest(since))))
    ip, mac = any_host()
    since = s.here()
    s.send(request(ip, mac) + b"\xee" * 18, "a request in a frame padded to 60 bytes")
    frame = s.wait("a reply", arp_reply_to(ip), since, cause="what follows the packet is padding (RFC 894)")
    s.same("the reply's bytes", 42, len(frame), cause="the reply is made of the request's mbuf: whose length has it?")
    ip, mac = any_host()
    since = s.here()
    s.send(GUEST_MAC + request(ip, mac)[6:], "a request in a frame to us alone")
    s.wait("a reply", arp_reply_to(ip), since, cause="who knows us asks by unicast (RFC 1122, 2.3.2.1)")


@case(7, "requests for others' addresses are not answered", hosts=False)
def others(s):
    for target in (STRANGER, wire.ip("10.0.2.255"), wire.ip("10.0.3.15"), wire.BROADCAST_IP, wire.ip("127.0.0.1")):
        ip, mac = any_host()
        s.silence(f"somebody asks for {wire.ip_text(target)}", request(ip, mac, target), fence=s.arp_fence,
                  cause="a request is answered only if its target is the address of the card that was asked on")


@case(6, "what is no ARP for Ethernet and IPv4 is dropped and counted")
def malformed(s):
    odd = [({"hardware": 6}, "arp.bad_format"), ({"protocol": 0x0806}, "arp.bad_format"),
           ({"hardware_length": 8}, "arp.bad_format"), ({"protocol_length": 16}, "arp.bad_format"),
           ({"operation": 3}, "arp.unknown_operation"), ({"operation": 0}, "arp.unknown_operation")]
    for fields, counter in odd:
        before = s.counters(counter)
        s.silence(f"an ARP request with {fields}", request(**fields), fence=s.arp_fence, text=f"ARP with {fields}")
        s.counted(before, counter)


@case(6, "packets and frames that end too early do no harm")
def short(s):
    whole = request()
    held, before = s.mbufs_held(), s.counters("arp.too_short", "ether.too_short")
    for length in (14, 15, 21, 22, 41):
        s.silence(f"an ARP packet in a frame of {length} bytes", whole[:length], fence=s.arp_fence,
                  text=f"the first {length} bytes of a request")
    s.counted(before, "arp.too_short", 5)
    for length in (1, 6, 12, 13):
        s.silence(f"a frame of {length} bytes", whole[:length], fence=s.arp_fence,
                  text=f"the first {length} bytes of a request")
    s.counted(before, "ether.too_short", 4)
    s.no_leak("short frames", held)


@case(8, "an unknown neighbour is asked for, and the datagram sent when it answers")
def resolve(s):
    s.good("open 1 0 n")
    for _ in range(3):
        ip, mac = any_host()
        port, seed, since = fresh(5000, 15000), secrets.token_hex(4), s.here()
        s.good(f"send 1 {wire.ip_text(ip)} {port} 30 {seed}", 30)
        frame = s.wait(f"an ARP request for {wire.ip_text(ip)}", arp_request_for(ip), since)
        s.fields("the request", frame, {
            "eth.destination": wire.BROADCAST_MAC, "arp.sender_mac": GUEST_MAC, "arp.sender_ip": GUEST,
            "arp.target_mac": b"\0" * 6, "arp.target_ip": ip}, since)
        s.same("datagrams sent before the answer", 0, sum(map(udp_to(port), s.link.from_guest(since))))
        s.send(reply_from(ip, mac))
        frame = s.wait("the datagram that waited", udp_to(port), since,
                       cause="what waits for an address is sent when the address is learnt")
        s.fields("the datagram", frame, {"eth.destination": mac, "udp.payload": pattern(seed.encode(), 30)}, since)
        s.good(f"send 1 {wire.ip_text(ip)} {port} 8 {seed}", 8)
        s.rounds(2)
        s.same("requests for a known neighbour", 1, sum(map(arp_request_for(ip), s.link.from_guest(since))))


@case(6, "one datagram waits for an address, the newest")
def newest(s):
    ip, mac = any_host()
    s.good("open 1 0 n")
    held, before, since = s.mbufs_held(), s.counters("arp.wait_replaced"), s.here()
    for port in (6001, 6002, 6003):
        s.good(f"send 1 {wire.ip_text(ip)} {port} 10 x", 10)
    s.wait("an ARP request", arp_request_for(ip), since)
    s.same("mbufs that wait for an address", 1, s.counters("mbuf.arp_wait")["mbuf.arp_wait"],
           cause="the datagram that waited before is not freed, or none is kept")
    s.send(reply_from(ip, mac))
    s.wait("the newest datagram", udp_to(6003), since)
    s.arp_fence()
    sent = [p for p in (6001, 6002, 6003) if any(map(udp_to(p), s.link.from_guest(since)))]
    s.same("what was sent", [6003], sent, cause="the newest datagram takes the place of the one that waits")
    s.counted(before, "arp.wait_replaced", 2)
    s.no_leak("the address was resolved", held)


@case(7, "a neighbour we know is followed to its new station, whatever it says")
def update(s):
    ip, mac = any_host()
    introduce(s, ip, mac)
    for operation in (wire.ARP_REQUEST, wire.ARP_REPLY, 9):
        moved = b"\x52\x55" + secrets.token_bytes(4)
        s.send(request(ip, STRANGER_ETH, STRANGER, operation, sender_mac=moved),
               f"the neighbour speaks to somebody else (operation {operation}), from a new station, through a bridge")
        since = s.here()
        s.good("open 1 0 n")
        s.good(f"send 1 {wire.ip_text(ip)} 6000 5 x", 5)
        frame = s.wait("the datagram", udp_to(6000), since)
        s.fields("the datagram", frame, {"eth.destination": moved}, since, causes={
            "eth.destination": "an entry there is, is updated from the sender fields of every packet of its owner, "
                               "before the operation is looked at (RFC 826)"})
        s.good("close 1")


@case(6, "an unknown sender is entered only if it asks for us")
def learn(s):
    s.good("open 1 0 n")
    ip, mac = any_host()
    s.send(request(ip, mac, STRANGER), "somebody asks for somebody else")
    s.send(wire.arp_frame(mac, wire.BROADCAST_MAC, wire.ARP_REPLY, ip, ip), "and announces itself")
    s.arp_fence()
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6000 5 x", 5)
    s.wait("an ARP request for it: it is not known yet", arp_request_for(ip), since,
           cause="new entries are made only from packets whose target we are (RFC 826)")
    ip, mac = any_host()
    introduce(s, ip, mac)
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6001 5 x", 5)
    frame = s.wait("a datagram to who asked for us", udp_to(6001), since)
    s.fields("the datagram", frame, {"eth.destination": mac}, since)
    s.same("requests for it", 0, sum(map(arp_request_for(ip), s.link.from_guest(since))),
           cause="who asks for us will be answered soon: it is entered at once")
    for sender in (wire.ip("192.0.2.7"), wire.ip("10.0.2.255")):
        before = s.counters("arp.resolved")
        s.send(request(sender, any_host()[1]), f"{wire.ip_text(sender)} asks for us")
        s.arp_fence()
        s.counted(before, "arp.resolved", 1,
                  cause="the closing request's sender gets an entry, but nobody who is no host on this card's network")


@case(4, "a probe is answered")
def probe(s):
    mac = b"\x52\x55" + secrets.token_bytes(4)
    since = s.here()
    s.send(request(ZERO, mac), "an ARP probe: from 0.0.0.0, for our address")
    frame = s.wait("a reply", arp_reply_to(ZERO), since, cause="a probe asks whether the address is taken (RFC 5227)")
    s.fields("the reply", frame, {"eth.destination": mac, "arp.sender_ip": GUEST}, since)


@case(5, "a sender that is no single station is not believed")
def bad_sender(s):
    ip, mac = any_host()
    introduce(s, ip, mac)
    for group in (wire.BROADCAST_MAC, b"\1\0\x5e\0\0\1", b"\0" * 6):
        before = s.counters("arp.bad_sender")
        s.silence(f"a request from {wire.mac_text(group)}", request(ip, mac, sender_mac=group),
                  fence=s.arp_fence)
        s.counted(before, "arp.bad_sender")
    s.good("open 1 0 n")
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6000 5 x", 5)
    s.fields("the datagram", s.wait("a datagram", udp_to(6000), since), {"eth.destination": mac}, since)


@case(6, "frames for other stations are not taken, those for groups are marked")
def stations(s):
    s.good("set virtio0 promisc")  # the device would filter others' frames itself
    before = s.counters("ether.not_for_us", "ether.unknown_type", "ether.bad_source")

    def echo(destination):
        return wire.icmp_frame(PEER_ETH, destination, PEER, GUEST, wire.ICMP_ECHO, 0, b"1234", b"data")
    for station in (STRANGER_ETH, GUEST_MAC[:5] + bytes([GUEST_MAC[5] ^ 1]), bytes([GUEST_MAC[0] ^ 2]) + GUEST_MAC[1:]):
        s.silence(f"a frame for another station, {wire.mac_text(station)}", echo(station),
                  cause="the destination address decides, all six bytes of it")
    for group in (wire.BROADCAST_MAC, b"\1\0\x5e\0\0\1"):
        s.silence(f"a frame from {wire.mac_text(group)}", GUEST_MAC + group + echo(GUEST_MAC)[12:],
                  cause="a group address is nobody's: it cannot be a source")
    s.silence("a ping to us in a broadcast frame (RFC 1122, 3.3.6)", echo(wire.BROADCAST_MAC),
              cause="the mbuf is not marked as received by broadcast (MBUF_LINK_BROADCAST)")
    s.silence("a ping to us in a multicast frame", echo(b"\1\0\x5e\0\0\1"))
    s.silence("a frame of a type that nobody knows", wire.ethernet(GUEST_MAC, PEER_ETH, 0x86DD, b"\0" * 46))
    s.counted(before, "ether.not_for_us", 3)
    s.counted(before, "ether.unknown_type")
    s.counted(before, "ether.bad_source", 2)


def ieee(frame, length=None, header=SNAP):
    """A frame in the form of IEEE 802.3: its length where the type was, which moves behind an RFC 1042 header."""
    data = header + frame[12:]
    return frame[:12] + (len(data) if length is None else length).to_bytes(2, "big") + data


@case(4, "frames in IEEE 802.3 form are taken if they carry IP or ARP")
def snap(s):
    ip, mac = any_host()
    since = s.here()
    s.send(ieee(request(ip, mac)) + b"\xee" * 10, "an ARP request behind an RFC 1042 header, padded")
    s.wait("a reply", arp_reply_to(ip), since, cause="what is below 1501 is no type, but a length (RFC 1042)")
    mark = secrets.token_bytes(4)

    def echo(size):
        return wire.icmp_frame(PEER_ETH, GUEST_MAC, PEER, GUEST, wire.ICMP_ECHO, 0, mark, bytes(size))
    since = s.here()
    s.send(ieee(echo(1464)), "an echo request in a frame of the greatest length, 1500")
    s.wait("its reply", lambda f: bool((m := wire.parse_icmp(f)) and m.rest == mark), since,
           cause="1500 is a length too")
    before, held = s.counters("ether.length_field", "ip.bad_length"), s.mbufs_held()
    other = b"\xaa\xaa\x03\0\0\xf8"
    for frame, text in (
            (ieee(echo(20), header=other), "another organisation's code"),
            (ieee(echo(20), header=b"\x42\x42\x03\0\0\0"), "another LLC address"),
            (ieee(echo(20), length=200), "a length beyond the frame's end"),
            (ieee(echo(20), length=7), "a length that has no room for the header"),
            (ieee(echo(20))[:20], "a frame that ends in the header")):
        s.silence(text, frame, fence=s.arp_fence, text=f"a frame in 802.3 form with {text}")
    s.counted(before, "ether.length_field", 5)
    s.silence("the length cuts the datagram", ieee(echo(20), length=8 + 20 + 8 + 19), fence=s.arp_fence,
              cause="what follows the data is padding, though it looks like the datagram's end")
    s.counted(before, "ip.bad_length")
    s.no_leak("frames in 802.3 form", held)


@case(3, "packets received and sent are counted")
def counts(s):
    names = ("ether.received", "ether.sent", "arp.received", "arp.replies_sent", "arp.requests_sent", "arp.resolved")
    s.good("open 1 0 n")
    before = s.counters(*names)
    for _ in range(5):
        s.arp_fence()
    s.send(request(*any_host(), STRANGER))
    ip, mac = any_host()
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6000 5 x", 5)
    s.wait("an ARP request", arp_request_for(ip), since)
    s.send(reply_from(ip, mac))
    s.wait("the datagram that waited", udp_to(6000), since)
    after = s.counters(*names)
    cause = "each is counted once, in the counter of its own name (counters.h)"
    for name, count in (("arp.received", 7), ("arp.replies_sent", 5), ("arp.requests_sent", 1), ("arp.resolved", 6),
                        ("ether.received", 7)):
        s.grown(before, after, name, count, cause)
    # Five replies, two reports, a request, the datagram; announcements may come on top.
    s.at_least("the counter ether.sent goes up by", 9, after["ether.sent"] - before["ether.sent"], cause=cause)

