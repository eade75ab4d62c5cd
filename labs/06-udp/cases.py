"""Lab 6, UDP and sockets: the cases that students have too. What a datagram must look like is in RFC 768 and
RFC 1122, 4.1; each case talks to the guest's sockets through the agent, and looks at the wire."""

import secrets
import time

from casebook import case
from session import (GUEST, GUEST_MAC, PEER, PEER_ETH, STRANGER, Failure, digest, fresh, pattern, udp_to, wire)

TITLE = "Lab 6: UDP and sockets"
FILES = ["kernel/net/udp.c", "kernel/net/socket_table.c", "kernel/net/socket_receive.c", "kernel/net/socket_send.c"]
QUEUE = 256  # datagrams: SOCKET_CAPACITY_DEFAULT
SMALL = 8    # of a socket that the agent opens with `s`
TIMEOUT = 0.5  # seconds, of one that it opens with `t`
EAGAIN, EFAULT, EMSGSIZE, EADDRINUSE, ECONNREFUSED = -11, -14, -90, -98, -111


def to_guest(payload, port, source_port=1234, source=PEER, **fields):
    ethernet = fields.pop("ethernet", GUEST_MAC)
    return wire.udp_frame(PEER_ETH, ethernet, source, fields.pop("destination", GUEST), source_port, port, payload,
                          **fields)


def port_number(*others):
    """A random port, none of these."""
    while (port := fresh(5000, 25000)) in others:
        pass
    return port


def bound(s, slot=1, flags="n"):
    """A socket with a random port."""
    port = port_number()
    s.good(f"open {slot} {port} {flags}")
    return port


def take(s, slot, payload, source_port=None, cause=None, source=PEER):
    """The next datagram of a socket must be this one."""
    words = s.ask(f"take {slot}")
    s.same(f"recvfrom() on socket {slot}: length", len(payload), int(words[0]), cause=cause)
    s.same("its data (digest)", digest(payload), words[3], cause=cause)
    s.same("its sender", wire.ip_text(source), words[1])
    if source_port is not None:
        s.same("its sender's port", source_port, int(words[2]), cause="ports are big-endian on the wire")


def nothing(s, slot, cause=None):
    s.same(f"recvfrom() on socket {slot} with nothing to read (EAGAIN)", EAGAIN, int(s.ask(f"take {slot}")[0]),
           cause=cause)


def told(s, nonce, cause):
    """The result that a child reports; the answer to the request comes before it."""
    return int(s.report(nonce, 2, what="what the reader was told", rounds=100, cause=cause)[1][0])


@case(0, "boots, and the console works")
def boot(s):
    s.rounds(3)


@case(5, "a datagram goes out right, and once")
def send(s):
    port, seed = s.peer.open(lambda _: None), secrets.token_hex(4)
    own = bound(s)
    since = s.here()
    s.good(f"send 1 10.0.2.100 {port} 40 {seed}", 40)
    frame = s.wait(f"a datagram to port {port}", udp_to(port), since)
    s.fields("the datagram", frame, {
        "eth.destination": PEER_ETH, "udp.packet.source": GUEST, "udp.packet.destination": PEER,
        "udp.source_port": own, "udp.payload": pattern(seed.encode(), 40)}, since,
        causes={"udp.source_port": "ports are big-endian on the wire, and in be16_t"})
    s.same("datagrams sent", 1, sum(map(udp_to(port), s.link.from_guest(since))))


@case(4, "datagrams of every size, and none that is too long")
def send_sizes(s):
    port = s.peer.open(lambda _: None)
    bound(s)
    sizes, before = (0, 1, 2, 3, 511, 1471, 1472), s.counters("udp.sent")
    for size in sizes:
        seed, since = secrets.token_hex(4), s.here()
        s.good(f"send 1 10.0.2.100 {port} {size} {seed}", size)
        frame = s.wait(f"a datagram of {size} bytes", udp_to(port), since)
        s.fields("the datagram", frame, {"udp.payload": pattern(seed.encode(), size)}, since)
    s.good(f"send 1 10.0.2.100 {port} 1473 x", EMSGSIZE)
    # Each command is answered by a report, which is a datagram too; so is the first reading of the counters.
    s.counted(before, "udp.sent", 2 * len(sizes) + 2, cause="what IP refuses was not sent")


@case(6, "a datagram reaches its socket, with its sender's name")
def receive(s):
    port, before = bound(s), s.counters("udp.received", "socket.queued")
    for size in (5, 0, 1, 1472):
        payload, source_port = secrets.token_bytes(size), port_number()
        s.send(to_guest(payload, port, source_port))
        s.ping()
        take(s, 1, payload, source_port)
    s.send(to_guest(b"no answer", port, 0), "a datagram from port 0, where no answer is expected (RFC 768)")
    s.ping()
    take(s, 1, b"no answer", 0)
    nothing(s, 1)
    for name in before:
        s.counted(before, name, 5, cause="each datagram counts once when UDP is handed it, and once when it is queued")


@case(4, "what Ethernet adds to a short datagram, or UDP's length leaves out, is not data")
def trimming(s):
    port, payload = bound(s), secrets.token_bytes(7)
    frame = to_guest(payload, port)
    s.send(frame + b"\xee" * (60 - len(frame)), "a datagram of 7 bytes in a padded frame")
    segment = wire.udp(PEER, GUEST, 1234, port, b"ab") + b"zz"
    s.send(wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST, 17, segment)),
           "UDP length 10 in an IP payload of 12")
    s.ping()
    cause = "the UDP length, not that of the frame or of the IP payload, says how long a datagram is"
    take(s, 1, payload, cause=cause)
    take(s, 1, b"ab", cause=cause)


@case(5, "a wrong checksum is dropped and counted, a missing one accepted")
def checksum(s):
    port = bound(s)
    before = s.counters("udp.bad_checksum")
    flipped = bytearray(to_guest(b"some bytes more", port))
    flipped[-2] ^= 0x40
    s.send(to_guest(b"wrong", port, check=0x1111), "a datagram with checksum 0x1111")
    s.send(flipped, "a datagram with one bit changed in its data")
    wrong_address = bytearray(wire.udp(STRANGER, GUEST, 1234, port, b"pseudo"))
    s.send(wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST, 17, bytes(wrong_address))),
           "a datagram whose checksum was made for another source address")
    s.send(to_guest(b"none", port, check=0), "a datagram without a checksum")
    s.send(to_guest(b"good", port))
    s.ping()
    take(s, 1, b"none", cause="0 means that the sender made no checksum; a datagram with a wrong one must go")
    take(s, 1, b"good")
    nothing(s, 1)
    s.counted(before, "udp.bad_checksum", 3)


@case(5, "impossible lengths are dropped and counted")
def lengths(s):
    port = bound(s)
    before, held = s.counters("udp.bad_length"), s.mbufs_held()
    for length in (0, 7, 13, 1000, 65535):
        s.send(to_guest(b"four", port, length=length, check=0), f"UDP length {length} in an IP payload of 12")
    whole = wire.udp(PEER, GUEST, 1234, port, b"")
    for length in (0, 1, 7):
        s.send(wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST, 17, whole[:length])),
               f"an IP payload of {length} bytes")
    s.ping()
    nothing(s, 1, cause="a length from the wire is trusted before it is compared with what is there")
    s.counted(before, "udp.bad_length", 8)
    s.no_leak("wrong lengths", held)


@case(4, "a closed port is answered by port unreachable, quoting the datagram")
def closed_port(s):
    port, payload = port_number(), secrets.token_bytes(8)
    before = s.counters("udp.no_port")
    sent = to_guest(payload, port)
    since = s.here()
    s.send(sent)
    frame = s.wait("port unreachable", lambda f: bool((m := wire.parse_icmp(f)) and m.kind == 3), since,
                   cause="a datagram for which there is no socket goes to icmp_send_error()")
    s.fields("the error", frame, {"icmp.code": 3, "icmp.packet.destination": PEER}, since)
    quoted = wire.parse_icmp(frame).payload
    s.same("the quoted datagram", sent[14:14 + len(quoted)], quoted)
    s.counted(before, "udp.no_port")


@case(6, "datagrams go to the socket with their port, and to no other")
def ports(s):
    first = bound(s)
    second, third = first ^ 0x0100, first ^ 0x7000  # no port is 0: neither is among those that are drawn
    s.good(f"open 2 {second} n")
    s.good(f"open 3 {third} n")
    s.good(f"open 4 {first} n", EADDRINUSE, cause="bind() does not look for another socket on the port")
    s.good(f"open 4 {first} nr", EADDRINUSE, cause="all who share a port must have agreed: the first has not")
    shared = port_number(first, second, third)
    s.good(f"open 5 {shared} nr")
    s.good(f"open 6 {shared} n", EADDRINUSE, cause="all who share a port must have agreed: the newcomer has not")
    payloads = [secrets.token_bytes(6) for _ in range(6)]
    for payload, port in zip(payloads, (first, second, third) * 2):
        s.send(to_guest(payload, port))
    s.ping()
    for payload, slot in zip(payloads, (1, 2, 3) * 2):
        take(s, slot, payload, cause="ports have 16 bits, and sockets of one bucket differ in them")
    for slot in (1, 2, 3):
        nothing(s, slot)


@case(6, "the queue is bounded, keeps the oldest, and counts the rest")
def queue(s):
    port = bound(s)
    before, held = s.counters("socket.queue_full"), s.mbufs_held()
    payloads = [n.to_bytes(2, "big") + secrets.token_bytes(10) for n in range(QUEUE + 16)]
    s.step(f"send: {len(payloads)} datagrams to a socket that nobody reads")
    for payload in payloads:
        s.link.send(to_guest(payload, port))
    s.ping()
    s.same("datagrams held by sockets", held["mbuf.socket"] + QUEUE, s.counters("mbuf.socket")["mbuf.socket"],
           cause="the default capacity is 256 datagrams (SOCKET_CAPACITY_DEFAULT)")
    s.counted(before, "socket.queue_full", len(payloads) - QUEUE)
    s.same("what the socket itself has dropped", len(payloads) - QUEUE, s.number(f"dropped {port}"),
           cause="socket->dropped, which netstat -su shows")
    for payload in payloads[:3]:
        take(s, 1, payload, cause="a full queue drops the newcomer, and datagrams are read in order")
    extra = secrets.token_bytes(5)
    s.send(to_guest(extra, port))
    s.ping()
    for payload in payloads[3:QUEUE] + [extra]:
        take(s, 1, payload, cause="what was read makes room again")
    s.no_leak("the queue was emptied", held)
    port = bound(s, 2, "ns")
    for payload in payloads[:SMALL + 3]:
        s.link.send(to_guest(payload, port))
    s.ping()
    s.same("datagrams held by a socket that was given less room (SO_RCVBUF)", held["mbuf.socket"] + SMALL,
           s.counters("mbuf.socket")["mbuf.socket"], cause="what counts is the socket's own capacity")


@case(6, "a reader that waits is woken, each time")
def wake(s):
    port = port_number()
    s.good(f"open 1 {port}")
    for round_number in range(3):
        nonce = s.command("recv 1 8")
        s.report(nonce)
        for count in range(1, 9):
            payload = secrets.token_bytes(9)
            s.send(to_guest(payload, port))
            words = next(w for w in s.report(nonce, count + 1, what="what the reader received",
                                             cause="the reader sleeps on: it is not woken, or the wake-up came "
                                                   "between its look and its sleep")[count:])
            s.same("what it read (digest)", digest(payload), words[3])


@case(4, "a full datagram is cut to the reader's room, and the rest is gone")
def cut(s):
    port = port_number()
    s.good(f"open 1 {port}")
    first, second = secrets.token_bytes(40), secrets.token_bytes(12)
    s.send(to_guest(first, port))
    s.send(to_guest(second, port))
    nonce = s.command("recv 1 2 10")
    words = s.report(nonce, 3)
    got = sorted(words, key=len)[1:]
    s.same("bytes read of 40 with room for 10", "10", got[0][0])
    s.same("those bytes", first[:10].hex(), got[0][4])
    s.same("the next read begins with the next datagram", second[:10].hex(), got[1][4],
           cause="what a reader has no room for is discarded with its datagram")


@case(4, "closing a socket frees its queue and its port")
def close(s):
    held = s.mbufs_held()
    for _ in range(3):
        port = bound(s)
        for _ in range(10):
            s.link.send(to_guest(b"unread", port))
        s.ping()
        s.good("close 1")
        since = s.here()
        s.send(to_guest(b"late", port))
        s.wait("port unreachable", lambda f: bool((m := wire.parse_icmp(f)) and m.code == 3), since)
        s.good(f"open 1 {port}")
        s.good("close 1")
    s.no_leak("sockets were closed with datagrams unread", held)


@case(5, "a connected socket hears its peer alone, and of its errors")
def connected(s):
    port, theirs = bound(s), s.peer.open(lambda _: None)
    s.good(f"connect 1 10.0.2.100 {theirs}")
    s.send(to_guest(b"wrong port", port, source_port=theirs ^ 1))
    s.send(to_guest(b"wrong host", port, source_port=theirs, source=wire.ip("10.0.2.101")))
    s.send(to_guest(b"right", port, source_port=theirs))
    s.ping()
    take(s, 1, b"right", cause="of a connected socket both the peer's address and its port must match")
    nothing(s, 1)
    s.peer.close(theirs)
    since = s.here()
    s.good("send 1 - 0 12 seed", 12)
    s.wait("the datagram", udp_to(theirs), since)
    s.send(to_guest(b"queued", port, source_port=theirs))
    s.ping()
    s.same("the next receive (ECONNREFUSED)", ECONNREFUSED, int(s.ask("take 1")[0]),
           cause="a pending error comes first, and what is queued after it")
    take(s, 1, b"queued")
    nothing(s, 1, cause="an error is told once")
    s.good(f"open 2 {port_number()}")
    s.good(f"connect 2 10.0.2.100 {theirs}")
    nonce = s.command("recv 2 1")
    s.report(nonce)
    s.good("send 2 - 0 12 seed", 12)
    s.same("what a reader that waited was told (ECONNREFUSED)", ECONNREFUSED,
           told(s, nonce, "a reader that is woken looks for an error too"))


@case(4, "a wait ends at its time, and when the reader is killed")
def waits(s):
    port = port_number()
    s.good(f"open 1 {port} t")
    cause = "SO_RCVTIMEO: receive_timeout is a duration, the sleep's deadline a point in time"
    began, nonce = time.monotonic(), s.command("recv 1 1")
    s.same("recvfrom() after its timeout (EAGAIN)", EAGAIN, told(s, nonce, cause))
    if time.monotonic() - began < TIMEOUT * 0.8:  # a busy machine makes it longer, never shorter
        raise Failure("recvfrom() with a timeout", f"a wait of {TIMEOUT} s", "an earlier end", cause=cause)
    s.good(f"open 2 {port_number()}")
    nonce = s.command("batch 2 4 100")
    s.same("recvmmsg() after its timeout (EAGAIN)", EAGAIN, told(s, nonce, "a batch has a deadline of its own"))
    child = s.number("recv 2 1")
    s.rounds(2)
    s.good(f"kill {child}", cause="a sleep that ends with -EINTR ends the wait")


@case(3, "shutdown() ends the wait, and nothing more is queued")
def shut(s):
    port, theirs = port_number(), s.peer.open(lambda _: None)
    s.good(f"open 1 {port}")
    s.good(f"connect 1 10.0.2.100 {theirs}")
    s.send(to_guest(b"before", port, source_port=theirs))
    s.ping()
    take(s, 1, b"before", theirs)
    nonce = s.command("recv 1 1")
    s.report(nonce)
    s.good("shut 1")
    s.same("what the reader was told", 0, told(s, nonce, "after shutdown() there is nothing to wait for (shut_read)"))
    before, held = s.counters("socket.shut_down"), s.mbufs_held()
    for _ in range(3):
        s.send(to_guest(b"late", port, source_port=theirs))
    s.ping()
    s.counted(before, "socket.shut_down", 3)
    s.same("recvfrom() after all", 0, int(s.ask("take 1")[0]), cause="what comes after shutdown() is not queued")
    s.no_leak("datagrams came after shutdown()", held)


@case(3, "datagrams between two sockets of this host")
def loopback(s):
    s.good(f"open 1 {port_number()} n")
    for address in ("127.0.0.1", "10.0.2.15"):
        port, seed = port_number(), secrets.token_hex(4)
        s.good(f"open 2 {port}")
        nonce = s.command("recv 2 1")
        s.report(nonce)
        s.good(f"send 1 {address} {port} 21 {seed}", 21)
        words = s.report(nonce, 2, what="what the reader received",
                         cause="what was verified already (MBUF_CSUM_VERIFIED) has no sum that could be checked")[1]
        s.same("its data (digest)", digest(pattern(seed.encode(), 21)), words[3])
        s.good("close 2")
