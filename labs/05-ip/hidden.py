"""Lab 5: the cases that only the grader has."""

import secrets

from cases import ECONNREFUSED, dropped, echo, sends, udp, unreachable
from casebook import case
from session import GUEST, GUEST_MAC, PEER, PEER_ETH, fresh, wire


def quoting(packet):
    return echo(packet[14:14 + 28], kind=3, code=3, rest=b"\0" * 4)


@case(6, "no error is sent about errors, broadcasts, later fragments and invalid sources")
def forbidden(s):
    before = s.counters("icmp.errors_no_way")
    cause = "RFC 1122, 3.2.2 says when no error may be sent: otherwise one frame could make thousands"
    for text, frame in (
            ("about an ICMP error", quoting(udp())),
            ("about time exceeded", echo(udp()[14:42], kind=11, rest=b"\0" * 4)),
            ("about a broadcast", udp(destination=wire.BROADCAST_IP, ethernet=wire.BROADCAST_MAC)),
            ("about a broadcast in a unicast frame", udp(destination=wire.BROADCAST_IP)),
            ("about a subnet broadcast", udp(destination=wire.ip("10.0.2.255"), ethernet=wire.BROADCAST_MAC)),
            ("about a link broadcast", udp(ethernet=wire.BROADCAST_MAC)),
            ("about a source that is a broadcast address", udp(source=wire.BROADCAST_IP)),
            ("about a source that is a group", udp(source=wire.ip("224.0.0.9"))),
            ("about a source in 127/8", udp(source=wire.ip("127.0.0.1"))),
            ("about a source 0.0.0.0", udp(source=b"\0" * 4)),
            ("about protocol 253 to a broadcast address", wire.ethernet(
                wire.BROADCAST_MAC, PEER_ETH, 0x0800, wire.ipv4(PEER, wire.BROADCAST_IP, 253, b"x" * 20)))):
        s.silence(text, frame, cause=cause)
    s.counted(before, "icmp.errors_no_way", 0, cause="the error was made all the same: it found no way, by luck")


@case(4, "echo requests to many, and unknown types, are not answered")
def quiet(s):
    dropped(s, "icmp.echo_broadcast", *[
        ("an echo request to all", echo(destination=destination, ethernet=wire.BROADCAST_MAC))
        for destination in (wire.BROADCAST_IP, wire.ip("10.0.2.255"))])
    dropped(s, "icmp.unknown_type", *[(f"type {kind}", echo(kind=kind)) for kind in (1, 13, 15, 17, 40, 255)])


@case(4, "errors about what we sent reach their socket, and broken ones nobody")
def errors_in(s):
    port = s.peer.unused_port()
    s.good(f"open 1 {fresh(5000, 15000)} n")
    own = s.number("name 1")
    s.good(f"connect 1 10.0.2.100 {port}")
    mine = wire.udp_frame(GUEST_MAC, PEER_ETH, GUEST, PEER, own, port, b"sent once")
    before = s.counters("icmp.error_bad_quote")
    broken = (b"", b"\x45", mine[14:33], mine[14:41], b"\x4f" + mine[15:42], b"\x65" + mine[15:42])
    for quoted in broken:
        s.silence(f"an error that quotes {len(quoted)} bytes: {quoted[:6].hex()}",
                  echo(quoted, kind=3, code=3, rest=b"\0" * 4))
    s.counted(before, "icmp.error_bad_quote", len(broken),
              cause="a quotation is a whole header and 8 bytes, or it is not looked at")
    s.good("error 1", 0)
    s.send(quoting(mine), "port unreachable about a datagram of this socket")
    s.ping()
    s.good("error 1", -ECONNREFUSED)


@case(4, "errors are limited in number")
def limit(s):
    held, since = s.mbufs_held(), s.here()
    s.step("send: 400 datagrams to a closed port, at once")
    for _ in range(400):
        s.link.send(udp(b"flood"))
    s.ping()
    records = [r for r in s.link.frames[since:] if r.direction == "from guest" and unreachable(r.frame)]
    allowed = 40 + int((s.link.frames[-1].seconds - s.link.frames[since].seconds) * 100)
    if not 20 <= len(records) <= allowed:
        s.same(f"errors about 400 datagrams, at least 20, at most {allowed}", "so many", len(records),
               cause="a token bucket: ERROR_BURST at once, then one each ERROR_INTERVAL (RFC 1812, 4.3.2.8)")
    s.no_leak("the flood", held)


@case(4, "nothing that is dropped leaves an mbuf behind")
def leaks(s):
    held = s.mbufs_held()
    for _ in range(3):
        s.answers(echo(version=6), echo(header_words=4), echo(total_length=200), echo(header_checksum=1),
                  echo(options=b"\x94\0\0\0"), echo(destination=wire.ip("10.0.2.9")),
                  echo(source=wire.ip("127.0.0.1")), echo(check=1), echo(kind=77),
                  echo(ethernet=wire.BROADCAST_MAC), quoting(udp()), udp(destination=wire.BROADCAST_IP),
                  echo(destination=wire.BROADCAST_IP, ethernet=wire.BROADCAST_MAC))
    s.no_leak("39 wrong frames", held)
    s.ping(PEER, PEER_ETH)


@case(2, "the same over a card that completes checksums", card="e1000")
def offload(s):
    sends(s, (1, 100, 1472))
    s.same("faults in what was sent", [], s.link.faults[:1], cause="who pushes a header moves csum_start along")
