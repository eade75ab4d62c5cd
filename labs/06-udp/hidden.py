"""Lab 6: the cases that only the grader has."""

import secrets

from cases import EADDRINUSE, EFAULT, QUEUE, bound, nothing, port_number, take, to_guest
from casebook import case
from session import GUEST, GUEST_MAC, PEER, digest, pattern, udp_to, wire

OWNERS = ("free", "rx_ring", "stack", "arp_wait", "reassembly", "socket", "dev_queue", "tx_ring")


@case(3, "a sum of zero is sent as all ones", nic=",csum=off")
def zero_sum(s):
    """The payload is chosen so that the checksum comes out as 0, which would say "none"."""
    theirs = s.peer.open(lambda _: None)
    own = bound(s)
    for _ in range(3):
        seed = secrets.token_hex(4)
        data = bytes((seed.encode()[i % 8] + i) & 255 for i in range(34))
        # The source port is ours to choose: the one that makes the sum 0.
        blank = wire.udp(GUEST, PEER, 0, theirs, data, check=0)
        own = wire.udp_checksum(GUEST, PEER, blank)
        if own in (0, 0xFFFF) or own < 1024:
            continue
        s.good(f"open 2 {own} n")
        since = s.here()
        s.good(f"send 2 10.0.2.100 {theirs} 34 {seed}", 34)
        frame = s.wait("the datagram", udp_to(theirs), since)
        s.same("its checksum field", b"\xff\xff", frame[40:42], cause="0 would say \"no checksum\" (RFC 768)",
               frame=s.index_of(frame, since))
        s.good("close 2")


@case(4, "a broadcast reaches every socket that shares the port")
def broadcast(s):
    port = bound(s, 1, "nr")
    s.good(f"open 2 {port} nr")
    s.good(f"open 3 {port ^ 64} nr")
    held, before = s.mbufs_held(), s.counters("socket.copies")
    for destination in (wire.BROADCAST_IP, wire.ip("10.0.2.255")):
        payload = secrets.token_bytes(20)
        s.send(to_guest(payload, port, destination=destination, ethernet=wire.BROADCAST_MAC))
        s.ping()
        take(s, 1, payload, cause="each matching socket gets a copy of its own")
        take(s, 2, payload, cause="each matching socket gets a copy of its own")
        for slot in (1, 2, 3):
            nothing(s, slot, cause="one copy each, and none for another port in the same bucket")
    s.counted(before, "socket.copies", 2)
    payload = secrets.token_bytes(20)
    s.send(to_guest(payload, port))
    s.ping()
    got = [int(s.ask(f"take {slot}")[0]) for slot in (1, 2)]
    s.same("sockets that got a unicast datagram", 1, sum(1 for n in got if n == 20))
    s.no_leak("broadcasts", held)


@case(3, "the socket that says most about its addresses wins")
def best_match(s):
    port, theirs = bound(s, 1, "nr"), 4321
    for slot in (2, 3):
        s.good(f"open {slot} {port} nr")
    s.good(f"connect 2 10.0.2.100 {theirs}")
    payload = secrets.token_bytes(11)
    s.send(to_guest(payload, port, source_port=theirs))
    s.ping()
    take(s, 2, payload, theirs, cause="the connected socket is the better match, wherever it is in the list")
    for slot in (1, 3):
        nothing(s, slot)


@case(2, "a reader's bad pointer is an error, and loses nothing but its datagram")
def bad_pointer(s):
    port = bound(s)
    held = s.mbufs_held()
    for _ in range(5):
        s.send(to_guest(b"a datagram for nobody", port))
        s.ping()
        s.good("bad 1", EFAULT)
        s.good("badsend 1 10.0.2.100 9", EFAULT)
    payload = secrets.token_bytes(30)
    s.send(to_guest(payload, port))
    s.ping()
    take(s, 1, payload)
    s.no_leak("EFAULT", held, cause="the path on which uio_put() or uio_get() fails does not free the mbuf")


@case(3, "four readers of one socket get each datagram once", smp=3)
def readers(s):
    port, payloads = port_number(), {secrets.token_bytes(16) for _ in range(60)}
    s.good(f"open 1 {port}")
    nonces = [s.command("recv 1 15") for _ in range(4)]
    for nonce in nonces:
        s.report(nonce)
    for payload in payloads:
        s.link.send(to_guest(payload, port))
        s.ping()
    wanted = {digest(payload) for payload in payloads}

    def got():
        return [words[3] for nonce in nonces for words in s.reports.get(nonce, []) if len(words) > 3]
    for _ in range(60):
        if len(got()) >= len(payloads):
            break
        s.round()
    s.same("datagrams read by the four together", len(payloads), len(got()),
           cause="a wake-up is lost when several readers wait, or a queue is changed without its lock")
    s.same("each once", wanted, set(got()))


@case(3, "a flood in pieces, wrong and right, leaves no mbuf behind", smp=2)
def flood(s):
    port = bound(s)
    held = s.mbufs_held()
    s.step("send: 1500 datagrams, of which most are wrong, to no socket, or find the queue full")
    for n in range(1500):
        s.link.send(to_guest(n.to_bytes(2, "big") * 3, (port, port, 9)[n % 3], check=(None, 0x1234, None)[n % 3]))
        if n % 100 == 99:
            s.ping()
    s.good("poll 1 0", 1)
    for _ in range(QUEUE):
        s.ask("take 1")
    nothing(s, 1)
    s.no_leak("the flood", held)


@case(2, "a device that completes checksums is given what it needs", card="e1000")
def offload(s):
    theirs = s.peer.open(lambda _: None)
    bound(s)
    for size in (1, 2, 99, 1472):
        seed, since = secrets.token_hex(4), s.here()
        s.good(f"send 1 10.0.2.100 {theirs} {size} {seed}", size)
        frame = s.wait("the datagram", udp_to(theirs), since)
        s.fields("it", frame, {"udp.payload": pattern(seed.encode(), size)}, since)
        if s.link.faults:
            s.same("faults of what was sent", "none", s.link.faults[0],
                   cause="the device expects the pseudo-header's sum in the field, not complemented")


@case(3, "a socket is bound to an address, a port and a protocol")
def addresses(s):
    port = port_number()
    s.good(f"open 1 {port} n 10.0.2.15")
    s.good(f"open 2 {port} n 127.0.0.1", cause="the same port of another address is free")
    s.good(f"open 3 {port} n", EADDRINUSE, cause="who wants all addresses wants those that are taken")
    s.good(f"open 4 {port} ni", cause="the same number of another protocol is free")
    for destination, ethernet in ((GUEST, GUEST_MAC), (wire.BROADCAST_IP, wire.BROADCAST_MAC)):
        payload = secrets.token_bytes(9)
        s.send(to_guest(payload, port, destination=destination, ethernet=ethernet))
        s.ping()
        if destination == GUEST:
            take(s, 1, payload, cause="the socket whose address and protocol are the datagram's")
        for slot in (1, 2, 4):
            nothing(s, slot, cause="a socket bound to another address, or of another protocol, got it")
    any_port = bound(s, 5)
    s.good(f"open 6 {any_port} n 10.0.2.15", EADDRINUSE, cause="the port is taken on all addresses")
    s.good(f"connect 5 10.0.2.100 {port_number()}")
    s.good(f"open 6 {any_port} n 127.0.0.1", EADDRINUSE, cause="bound_address counts: connect() leaves it alone")
    for first, second in (("", "10.0.2.15"), ("10.0.2.15", "")):
        shared, payload = port_number(), secrets.token_bytes(9)
        s.good(f"open 7 {shared} nr {first}")
        s.good(f"open 8 {shared} nr {second}")
        s.send(to_guest(payload, shared))
        s.ping()
        take(s, 8 if second else 7, payload, cause="bound to the address says more than bound to any")
        nothing(s, 7 if second else 8)


@case(3, "sockets that nobody reads leave half of the mbufs to the rest")
def share(s):
    before, held = s.counters("socket.share_full"), s.mbufs_held()
    total = sum(s.counters(*(f"mbuf.{owner}" for owner in OWNERS)).values())
    count = total // 2 // QUEUE + 1
    ports_open = [bound(s, slot) for slot in range(1, count + 1)]
    s.step(f"send: {QUEUE} datagrams to each of {count} sockets that nobody reads")
    for port in ports_open:
        for _ in range(QUEUE):
            s.link.send(to_guest(b"unread", port))
        s.ping()
    s.same("mbufs held by sockets", total // 2, s.counters("mbuf.socket")["mbuf.socket"],
           cause="the queues of all sockets together hold half of mbuf_total() at most")
    s.counted(before, "socket.share_full", count * QUEUE - total // 2)
    s.same("what the last socket has dropped", count * QUEUE - total // 2, s.number(f"dropped {ports_open[-1]}"))
    for slot in range(1, count + 1):
        s.good(f"close {slot}")
    s.no_leak("the sockets were closed", held)
