"""Lab 7: the cases that only the grader has."""

import struct

import driver_cases as driver
from cases import DEV, counts
from casebook import case


@case(4, "a frame that comes just before the thread sleeps is not forgotten")
def pairs(s):
    driver.pairs(s)


@case(2, "from its interrupt until it is polled a device is masked", card="e1000", record=True)
def masked(s):
    """Seen at the e1000, whose mask is a register: virtio's event index hides a driver that forgets it."""
    for _ in range(10):
        s.ping()
        s.round()
    driver.many(s, 240)
    s.device_rules("e1000")


@case(2, "the same on two harts", smp=2)
def pairs_two_harts(s):
    driver.pairs(s, 400)


@case(2, "three harts send while frames come in", smp=3)
def both_ways(s):
    driver.both_ways(s, DEV)


def set_down(s, *words):
    """The device goes down, is given these words, and comes up. What it reports meanwhile finds no way."""
    s.command(f"set {DEV} down")
    s.rounds(2)
    for word in words:
        s.command(f"set {DEV} {word}")
        s.round()
    s.command(f"set {DEV} up")
    s.rounds(4)
    s.ping(cause="the first round after netdev_up() is scheduled by it, in both modes")


@case(2, "a device that is down is not polled, and keeps the mode that it was given there")
def mode_when_down(s):
    before = counts(s, "polls")["polls"]
    set_down(s, *["polled", "interrupt"] * 30)
    s.at_most("polls around 60 switches of modes while the device was down", 40, counts(s, "polls")["polls"] - before,
              cause="the thread is woken, sees that the device is down, and leaves it alone")
    for _ in range(2):
        set_down(s, "polled")
        before = counts(s, "interrupts")["interrupts"]
        for _ in range(10):
            s.ping()
        s.at_most("interrupts for 10 frames in polled mode", 3, counts(s, "interrupts")["interrupts"] - before,
                  cause="the mode can be switched at any time")
        set_down(s)  # in polled mode
        set_down(s, "interrupt")
        before = counts(s, "polls")["polls"]
        s.rounds(20)
        s.at_most("polls in 20 idle rounds of interrupt mode", 20, counts(s, "polls")["polls"] - before,
                  cause="the mode can be switched at any time")


@case(2, "the queue for a full ring is bounded: who can wait does, other frames are dropped and counted")
def refused(s, requests=1600, datagrams=400):
    """Nothing is read from the guest, and echo requests go to it: more than there is room for their replies."""
    held, before = s.mbufs_held(), counts(s, "tx_ring_full", "tx_deferred")
    port, since = s.peer.open(lambda _: None), s.here()
    s.good("open 1 0 -")
    s.step(f"the wire carries nothing from the guest, {datagrams} datagrams are sent, {requests} echo requests come")
    s.link.pause(sends=True)
    nonce = s.command(f"burst 1 {port} {datagrams}")
    s.rounds(10)
    for n in range(requests):
        s.link.send(driver.echo(struct.pack(">I", n)))
    for _ in range(400):
        if s.link.all_sent():
            break
        s.round()
    s.rounds(10)
    s.link.pause(False)
    driver.collect(s, port, datagrams, since, "a sender that can wait loses nothing")
    s.same("what the sender was told", str(datagrams), s.report(nonce, 2)[1][0])
    s.ping()
    after = counts(s, "tx_ring_full", "tx_deferred")
    dropped = after["tx_ring_full"] - before["tx_ring_full"]
    replies = len(driver.marks_of(s.link.from_guest(since))) - 1  # but for the ping
    s.at_least("replies dropped for want of room", 1, dropped, cause="NETDEV_TX_DEFER_MAX frames wait, and no more; "
               "each that is dropped counts")
    s.same("echo requests answered, and replies dropped and counted", requests, replies + dropped,
           cause="each frame that is dropped counts once")
    s.at_most("frames that waited", requests + datagrams - dropped, after["tx_deferred"] - before["tx_deferred"],
              cause="what is dropped has not waited")
    s.no_leak("frames were refused", held)


@case(2, "frames that wait when the device goes down are forgotten, and no sender is")
def full_down(s):
    s.good("open 1 0 -")
    held, ring = s.mbufs_held(), s.counters("mbuf.rx_ring")
    for _ in range(2):
        s.step("the wire stands still, 900 datagrams are sent, the device goes down and up, the wire moves again")
        s.link.pause()
        s.command(f"burst 1 {s.peer.open(lambda _: None)} 900")
        s.rounds(25)
        s.command(f"set {DEV} down")
        s.rounds(5)
        s.link.pause(False)
        s.command(f"set {DEV} up")
        s.rounds(4)
        s.ping(cause="the queue is full for ever, though a stop has emptied it")
        port, since = s.peer.open(lambda _: None), s.here()
        s.command(f"burst 1 {port} 700")
        driver.collect(s, port, 700, since, "the queue is full for ever, though a stop has emptied it")
    s.no_leak("frames waited while the device went down", held)
    s.same("mbufs in the receive ring", ring["mbuf.rx_ring"], s.counters("mbuf.rx_ring")["mbuf.rx_ring"])
