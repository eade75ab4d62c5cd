"""Back-pressure and fairness: a peer that does not read slows the sender down and costs no datagram; a wire that is
flooded starves neither the shell nor another network."""

import re

import pytest

from harness import wire
from shell import Wired, card_names, wait_until

WIRE, RING, QUEUE = 300, 256, 128  # frames that fit between a sender and a peer that does not read
CHUNK = 1472  # nc's datagrams


@pytest.fixture
def stopped(boot):
    """A guest with a process that waits for room: the wire, the ring and the queue behind it are full. QEMU's e1000
    takes every frame at once, so this is about virtio."""
    wired = Wired(boot(smp=2, cards=["virtio"]))
    wired.run("cat" + " /bin/nettests" * 40 + " > /tmp/big")
    wired.size = int(wired.run("wc -c /tmp/big").split()[0])
    wired.datagrams = -(-wired.size // CHUNK)
    assert wired.datagrams > WIRE + RING + QUEUE + 100
    wired.introduce()
    (wired.card,) = card_names(wired)
    wired.before = wired.counters()
    wired.link.pause()
    wired.run(f"nc -u -w 5 10.0.2.100 9 < /tmp/big &")

    def queue_full():
        return wired.counters()["mbuf", "dev_queue"] == QUEUE

    wait_until(queue_full)
    return wired


def running(shell, name):
    return re.search(rf"^.* {name}$", shell.run("ps"), re.M)


def test_peer_that_does_not_read_slows_the_sender_down(stopped):
    """All of it arrives, in order, when the far end reads again; nothing is dropped, nobody is told of an error."""
    halted = stopped.counters()["udp", "sent"]
    assert running(stopped, "nc")
    assert stopped.counters()["udp", "sent"] == halted < stopped.before["udp", "sent"] + stopped.datagrams
    since = stopped.link.position()
    stopped.link.pause(False)

    def all_arrived():
        return stopped.peer.discarded == stopped.datagrams

    wait_until(all_arrived)
    stopped.ping()
    after = stopped.counters()
    assert after["udp", "sent"] - stopped.before["udp", "sent"] == stopped.datagrams
    assert after[stopped.card, "tx_deferred"] > stopped.before[stopped.card, "tx_deferred"]
    assert after["mbuf", "dev_queue"] == 0
    # An announcement of the address cannot wait, and may have found the queue full.
    dropped = after[stopped.card, "tx_ring_full"] - stopped.before[stopped.card, "tx_ring_full"]
    assert dropped <= after["arp", "announcements_sent"] - stopped.before["arp", "announcements_sent"]
    copy = b"".join(d.payload for f in stopped.link.from_guest(since) if (d := wire.parse_udp(f)))
    half = len(copy) // 2  # the file is the same program again and again, so its order shows
    assert len(copy) == stopped.size and copy[:half] == copy[half:]


def test_sender_that_waits_can_be_killed(stopped):
    pid = running(stopped, "nc").group().split()[0]
    stopped.run(f"kill {pid}")

    def gone():
        return not running(stopped, "nc")

    wait_until(gone)
    stopped.link.pause(False)
    stopped.ping()


@pytest.mark.parametrize("end", ["down", "link"])
def test_sender_that_waits_is_told_of_a_dead_network(stopped, boot, end):
    """The send fails with ENETDOWN, and what waited is dropped and counted or sent, but nothing is left."""
    if end == "down":
        stopped.console.send(f"ifconfig {stopped.card} down\n")
    else:
        boot.guest.monitor.set_link(0, False)
    stopped.console.expect("nc: send: Network is down", 10)
    stopped.settle()
    stopped.link.pause(False)
    if end == "down":
        stopped.run(f"ifconfig {stopped.card} up")
    else:
        boot.guest.monitor.set_link(0, True)
        stopped.console.expect("link up", 10)
        stopped.settle()
    stopped.introduce()
    stopped.ping()
    after = stopped.counters()
    assert (after["mbuf", "dev_queue"], after["mbuf", "socket"]) == (0, 0)
