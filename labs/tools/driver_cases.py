"""What every network driver must do, whatever its device: the cases that labs 2, 3 and 7 share. Each is a function of
the Session; `dev` is the interface's name in the guest."""

import secrets
import struct
import time

from session import GUEST, GUEST_MAC, PEER, PEER_ETH, Failure, pattern, wire


RING_LEAST = 200  # entries, of the smallest ring in use, and fewer


def echo(mark, payload=b"data"):
    return wire.icmp_frame(PEER_ETH, GUEST_MAC, PEER, GUEST, wire.ICMP_ECHO, 0, mark, payload)


def marks_of(frames):
    return [m.rest for f in frames if (m := wire.parse_icmp(f)) and m.kind == wire.ICMP_ECHO_REPLY]


def sizes(s):
    """Frames of every length go both ways unharmed."""
    for size in (0, 1, 2, 3, 17, 18, 19, 63, 64, 100, 1000, 1471, 1472):
        mark, payload, since = secrets.token_bytes(4), secrets.token_bytes(size), s.here()
        s.send(echo(mark, payload), f"an echo request with {size} bytes")
        frame = s.wait("its reply", lambda f, m=mark: m in marks_of([f]), since)
        s.fields("the reply", frame, {"icmp.payload": payload, "eth.source": GUEST_MAC}, since)
    s.same("faults in what was sent", [], s.link.faults[:1])


def received_bytes(s, dev):
    """The length of a frame is what the device wrote, its own header not included."""
    before = s.counters(f"{dev}.rx_packets", f"{dev}.rx_bytes")
    frames = [echo(b"0001", bytes(n)) for n in (40, 100, 333, 1472)]
    s.answers(*frames)
    fence = 14 + 20 + 8 + 24  # the ping that closes the step
    s.same("bytes received by the interface", sum(map(len, frames)) + fence,
           s.counters(f"{dev}.rx_bytes")[f"{dev}.rx_bytes"] - before[f"{dev}.rx_bytes"],
           cause="the used length says how long the frame is, with the device's header")


def many(s, count=1200, window=24, early=None):
    """More frames than the rings have entries, so that every entry is used again and again. early: the likely cause if
    a reply is missing before that."""
    s.step(f"send: {count} echo requests, up to {window} at a time")
    since = s.here()
    for first in range(0, count, window):
        at = s.here()
        sent = [struct.pack(">I", 0x40000000 + n) for n in range(first, min(first + window, count))]
        for mark in sent:
            s.link.send(echo(mark, mark * 9))
        s.wait(f"the reply to request {first + len(sent) - 1}", lambda f, m=sent[-1]: m in marks_of([f]), at,
               cause="entries are not given back to the device, or not taken back from it, once round the ring"
               if first >= RING_LEAST else early, quiet=True)
        got = marks_of(s.link.from_guest(at))
        if got != sent:
            s.same("replies, in order, each once", [m.hex() for m in sent], [m.hex() for m in got], frame=at)
    s.same("replies", count, len(marks_of(s.link.from_guest(since))))


def ring_counts(s, dev, traffic):
    """Traffic leaves as many mbufs in the receive ring as it found, and none elsewhere."""
    ring, held = s.counters("mbuf.rx_ring"), s.mbufs_held()
    traffic(s)
    s.ping()
    s.same("mbufs in the receive ring", ring["mbuf.rx_ring"], s.counters("mbuf.rx_ring")["mbuf.rx_ring"],
           cause="each received mbuf is replaced by one, or posted again")
    s.no_leak("the traffic", held)
    s.at_most("mbufs in the transmit ring", 63, s.counters("mbuf.tx_ring")["mbuf.tx_ring"],
              cause="sent frames are not taken back")


def collect(s, port, count, since, cause=None):
    """Waits for `count` numbered datagrams; the numbers in their order."""
    def numbers():
        return [struct.unpack(">I", d.payload)[0] for f in s.link.from_guest(since)
                if (d := wire.parse_udp(f)) and d.destination_port == port and len(d.payload) == 4]
    quiet, seen = 0, 0
    while quiet < 40 and len(numbers()) < count:
        s.round()
        quiet = quiet + 1 if len(numbers()) == seen else 0
        seen = len(numbers())
    got = numbers()
    s.same("numbered datagrams that arrived", count, len(got), cause=cause)
    for place, number in enumerate(got):
        s.same(f"the number of the datagram in place {place}", place, number,
               cause="frames overtake each other, or come twice")


def sent_burst(s, count=700):
    port, since = s.peer.open(lambda _: None), s.here()
    s.good("open 1 0 -")
    nonce = s.command(f"burst 1 {port} {count}")
    collect(s, port, count, since, "sent entries are not reclaimed, or the doorbell is not rung for the last frames")
    s.same("what the sender was told", str(count), s.report(nonce, 2)[1][0])


def full_ring(s, dev, counts=(480, 540, 600, 660, 800)):
    """The wire stands still until the ring and the queue behind it are full; then all of it comes, in order, though
    nothing else happens that would have the driver look. QEMU and its socket take some 280 frames before the ring
    (256) and the queue (128) are full, so with the last count at least the sender has to wait."""
    held, ring = s.mbufs_held(), s.counters("mbuf.rx_ring")
    s.good("open 1 0 -")
    for count in counts:
        port, since = s.peer.open(lambda _: None), s.here()
        s.step(f"the wire stands still, {count} datagrams are sent, the wire moves again")
        s.link.pause()
        nonce = s.command(f"burst 1 {port} {count}")
        s.rounds(25)
        s.link.pause(False)
        collect(s, port, count, since, "when the ring was full: frames that wait are not sent when there is room "
                "again, or the sender is not woken")
        s.same("what the sender was told", str(count), s.report(nonce, 2)[1][0])
    s.ping()
    s.good("close 1")
    s.no_leak("the ring was full", held)
    s.same("mbufs in the receive ring", ring["mbuf.rx_ring"], s.counters("mbuf.rx_ring")["mbuf.rx_ring"])


def down_up(s, dev, times=4, settle=lambda s: None):
    total, ring = s.mbufs_held(), s.counters("mbuf.rx_ring")
    for _ in range(times):
        s.command(f"set {dev} down")
        s.rounds(2)
        s.link.send(echo(b"down"))
        s.command(f"set {dev} up")
        s.rounds(4)
        settle(s)
        s.wait("an answer after the interface was down and up",
               lambda f: wire.parse_icmp(f) is not None, _again(s), rounds=60)
    s.ping()
    s.no_leak("the interface was down and up", total, cause="what was in the rings is not freed when a device stops")
    s.same("mbufs in the receive ring", ring["mbuf.rx_ring"], s.counters("mbuf.rx_ring")["mbuf.rx_ring"],
           cause="the receive ring is filled once at each start, and emptied at each stop")


def _again(s):
    since = s.here()
    s.link.send(echo(secrets.token_bytes(4)))
    return since


def pairs(s, count=600):
    """Pairs of frames with small pauses between: the second often comes just when the driver is about to sleep.
    One that it misses is not answered until another comes, and none does."""
    s.step(f"send: {count} pairs of echo requests, 0 to 600 us between the two")
    for n in range(count):
        since, marks = s.here(), (struct.pack(">I", 2 * n), struct.pack(">I", 2 * n + 1))
        s.link.send(echo(marks[0]))
        until = time.perf_counter() + (n % 60) * 10e-6
        while time.perf_counter() < until:
            pass
        s.link.send(echo(marks[1]))
        found = s.link.wait_for(lambda f, m=marks[1]: m in marks_of([f]), since, timeout=0.05)
        if found is None:
            s.wait(f"the reply to the second request of pair {n}", lambda f, m=marks[1]: m in marks_of([f]), since,
                   cause="a frame came between the last look at the ring and the moment the interrupt was on: nobody "
                         "looks for it (virtio 1.2, 2.7.14)")


def bursts(s, dev, frames=48, tries=6):
    """Frames that are there together are taken in fewer polls than there are frames."""
    best = None
    for _ in range(tries):
        before = s.counters(f"{dev}.polls")
        at = s.here()
        marks = [secrets.token_bytes(4) for _ in range(frames)]
        s.link.pause()
        for mark in marks:
            s.link.send(echo(mark))
        s.link.pause(False)
        s.wait("the reply to the last of a burst", lambda f: marks[-1] in marks_of([f]), at)
        polls = s.counters(f"{dev}.polls")[f"{dev}.polls"] - before[f"{dev}.polls"]
        best = polls if best is None else min(best, polls)
    s.at_most(f"polls for {frames} frames that came together, in the best of {tries} bursts", frames * 3 // 4, best,
              cause="one frame a poll: take all there are, up to the budget")


def both_ways(s, dev, count=1500):
    """Senders on several harts while frames come in: nothing is lost, nothing comes twice."""
    ports = [s.peer.open(lambda _: None) for _ in range(3)]
    for slot in (1, 2, 3):
        s.good(f"open {slot} 0 -")
    held, since, full = s.mbufs_held(), s.here(), s.counters(f"{dev}.tx_ring_full")
    nonces = [s.command(f"burst {slot} {port} {count}") for slot, port in zip((1, 2, 3), ports)]
    for n in range(200):
        s.link.send(echo(struct.pack(">I", 7000 + n), secrets.token_bytes(200)))
    for port in ports:
        collect(s, port, count, since, "the rings are used by several harts at once: each needs its lock")
    for nonce in nonces:
        s.report(nonce, 2)
    s.ping()
    full = s.counters(f"{dev}.tx_ring_full")[f"{dev}.tx_ring_full"] - full[f"{dev}.tx_ring_full"]
    replies = marks_of(s.link.from_guest(since))
    s.same("replies that came twice", 0, len(replies) - len(set(replies)))
    if len(replies) + full < 201:  # other frames that cannot wait, ARP's, may be among those dropped
        raise Failure("replies to 201 echo requests meanwhile, and frames dropped for want of room",
                      "201 at least", f"{len(replies)} and {full}", cause="a frame was lost, and no counter says so")
    s.no_leak("traffic both ways", held)


def seeded(size, seed):
    return pattern(seed.encode(), size)
