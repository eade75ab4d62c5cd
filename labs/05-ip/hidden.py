"""Lab 5: the cases that only the grader has."""

import secrets

from cases import ECONNREFUSED, dropped, echo, echo_reply, sends, udp, unreachable
from casebook import case
from session import GUEST, GUEST_MAC, PEER, PEER_ETH, digest, fresh, pattern, udp_to, wire


def quoting(packet):
    return echo(packet[14:14 + 28], kind=3, code=3, rest=b"\0" * 4)


@case(4, "no error is sent about errors, broadcasts and invalid sources")
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
            ("about a source in 0/8", udp(source=wire.ip("0.1.2.3"))),
            ("about protocol 253 to a broadcast address", wire.ethernet(
                wire.BROADCAST_MAC, PEER_ETH, 0x0800, wire.ipv4(PEER, wire.BROADCAST_IP, 253, b"x" * 20)))):
        s.silence(text, frame, cause=cause)
    s.counted(before, "icmp.errors_no_way", 0, cause="the error was made all the same: it found no way, by luck")


@case(3, "echo requests to many, and unknown types, are not answered")
def quiet(s):
    dropped(s, "icmp.echo_broadcast", *[
        ("an echo request to all", echo(destination=destination, ethernet=wire.BROADCAST_MAC))
        for destination in (wire.BROADCAST_IP, wire.ip("10.0.2.255"), wire.ip("10.255.255.255"))],
        ("an echo request to all, in a frame for us", echo(destination=wire.BROADCAST_IP)))
    dropped(s, "icmp.unknown_type", *[(f"type {kind}", echo(kind=kind)) for kind in (1, 13, 15, 17, 40, 255)])


@case(3, "errors about what we sent reach their socket, and broken ones nobody")
def errors_in(s):
    port = s.peer.unused_port()
    s.good(f"open 1 {fresh(5000, 15000)} n")
    own = s.number("name 1")
    s.good(f"connect 1 10.0.2.100 {port}")

    def sent(**fields):
        return wire.udp_frame(GUEST_MAC, PEER_ETH, GUEST, PEER, own, port, b"sent once", **fields)
    mine = sent()
    before = s.counters("icmp.error_bad_quote")
    broken = (b"", b"\x45", mine[14:33], mine[14:41], b"\x4f" + mine[15:42], b"\x65" + mine[15:42],
              b"\x44" + mine[15:42], sent(flags_offset=3)[14:42])
    for quoted in broken:
        s.silence(f"an error that quotes {len(quoted)} bytes: {quoted[:6].hex()}",
                  echo(quoted, kind=3, code=3, rest=b"\0" * 4))
    s.counted(before, "icmp.error_bad_quote", len(broken),
              cause="a quotation is a whole header and 8 bytes of a first fragment, or it is not looked at")
    s.good("error 1", 0)
    for text, quoted in (("a datagram of this socket", mine[14:42]),
                         ("a first fragment of one, on its way", sent(flags_offset=0x2000)[14:42]),
                         ("one that got options", sent(options=b"\x94\4\0\0")[14:46])):
        s.send(echo(quoted, kind=3, code=3, rest=b"\0" * 4), f"port unreachable about {text}")
        s.ping()
        s.good("error 1", -ECONNREFUSED)


@case(3, "errors are limited in number")
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


@case(3, "nothing that is dropped leaves an mbuf behind")
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


@case(2, "fragments are dropped and counted, and no error is sent about them")
def fragments(s):
    dropped(s, "ip.fragment", *[(text, udp(flags_offset=place)) for text, place in (
        ("the first fragment of a datagram", 0x2000), ("one in the middle", 0x2003), ("the last one", 0x0003),
        ("the last one of a longer datagram", 0x0100), ("the last that there can be", 0x1FFF))],
        cause="a fragment has more behind it, or an offset that is not 0")
    for whole in (0, 0x4000):
        since, rest = s.here(), secrets.token_bytes(4)
        s.send(echo(rest=rest, flags_offset=whole), f"an echo request with flags and offset {whole:#x}")
        s.wait("the reply", echo_reply(rest), since, cause="'don't fragment' says nothing of what has arrived")


@case(2, "what a host sends to itself goes through loopback, and not on the wire")
def loopback(s):
    port, since = fresh(5000, 15000), s.here()
    s.good(f"open 1 {port}")
    s.good("open 2 0")
    for address, source, size in (("127.0.0.1", "127.0.0.1", 1), ("127.1.2.3", "127.0.0.1", 100),
                                  ("10.0.2.15", "10.0.2.15", 1472)):
        seed = secrets.token_hex(4)
        s.good(f"send 2 {address} {port} {size} {seed}", size)
        words = s.report(s.command("recv 1 1"), 2, what=f"what a socket receives of {size} bytes to {address}",
                         cause="loopback has no link addresses; 127/8 is right there, and only there")[1]
        s.same("its length, sender and data", [str(size), source, digest(pattern(seed.encode(), size))],
               [words[0], words[1], words[3]])
    s.same("frames with these on the wire", [], list(filter(udp_to(port), s.link.from_guest(since))))
    s.good(f"open 3 {fresh(5000, 15000)} n")
    s.good(f"connect 3 127.0.0.1 {fresh(5000, 15000)}")
    s.good("send 3 - 0 5 x", 5)
    told = s.number("error 3")
    for _ in range(30):
        if told:
            break
        s.round()
        told = s.number("error 3")
    s.same("the error of a socket that sent to a closed port of its own host", -ECONNREFUSED, told,
           cause="127/8 is a valid source within loopback")


@case(2, "counters tell what came, what was delivered and what was sent")
def counts(s):
    names = ("ip.received", "ip.delivered", "ip.sent", "icmp.echo_replies_sent")
    before = s.counters(*names)
    for _ in range(3):
        s.ping()
    s.answers(echo(version=6), echo(destination=wire.ip("10.0.2.77")), udp())
    nowhere = echo(source=wire.ip("0.1.2.3"))
    s.silence("an echo request from 0/8", nowhere)
    after = s.counters(*names)
    # Two pings more closed the last steps; an error answered the one datagram; the first report was sent meanwhile.
    for name, by in (("ip.received", 9), ("icmp.echo_replies_sent", 5), ("ip.sent", 7)):
        s.grown(before, after, name, by,
                "counters.h says what `received` and `sent` count; what found no way was not sent")
    delivered = after["ip.delivered"] - before["ip.delivered"]
    if delivered not in (6, 7):  # whether 0/8 is refused as a source is open: nobody there can be answered
        s.same("the counter ip.delivered goes up by", "6 or 7", delivered, cause="what ICMP and UDP are handed counts")


@case(2, "the same over a card that completes checksums", card="e1000")
def offload(s):
    sends(s, (1, 100, 1472))
    s.same("faults in what was sent", [], s.link.faults[:1], cause="who pushes a header moves csum_start along")
