"""Back-pressure and fairness: a peer that does not read slows the sender down and costs no datagram; a wire that is
flooded starves neither the shell nor another network."""

import re
import time

import pytest

from harness import wire
from harness.host import Host
from configurations import VIRTIO, Configuration
from shell import GUEST_IP, GUEST_MAC, PEER, PEER_ETH, Wired, card_names, udp_to_guest, wait_until

WIRE, RING, QUEUE = 300, 256, 128  # frames that fit between a sender and a peer that does not read
CHUNK = 1472  # nc's datagrams
OTHER_IP, OTHER_MAC = "10.0.3.100", "52:55:0a:00:03:64"


def backed_up(test):
    """QEMU's e1000 takes every frame at once, so this is about virtio."""
    return pytest.mark.matrix(VIRTIO, rings=True)(pytest.mark.cards("virtio", "virtio-pci")(test))


@pytest.fixture
def stopped(boot):
    """A guest with a process that waits for room: the wire, the ring and the queue behind it are full."""
    wired = Wired(boot())
    wired.run("cat" + " /bin/nettests" * 40 + " > /tmp/big")
    wired.size = int(wired.run("wc -c /tmp/big").split()[0])
    wired.datagrams = -(-wired.size // CHUNK)
    assert wired.datagrams > WIRE + RING + QUEUE + 100
    wired.introduce()
    (wired.card,) = card_names(wired)
    wired.before = wired.counters()
    wired.since = wired.link.position()
    wired.link.pause()
    wired.run("nc -u -w 5 10.0.2.100 9 < /tmp/big &")

    def queue_full():
        return wired.counters()["mbuf", "dev_queue"] == QUEUE

    wait_until(queue_full)
    return wired


def running(shell, name):
    return re.search(rf"^.* {name}$", shell.run("ps"), re.M)


@backed_up
def test_peer_that_does_not_read_slows_the_sender_down(stopped):
    """All of it arrives, in order, when the far end reads again; nothing is dropped, nobody is told of an error."""
    assert running(stopped, "nc")
    assert stopped.counters()["udp", "sent"] < stopped.before["udp", "sent"] + stopped.datagrams
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
    copy = b"".join(d.payload for f in stopped.link.from_guest(stopped.since) if (d := wire.parse_udp(f)))
    half = len(copy) // 2  # the file is the same program again and again, so its order shows
    assert len(copy) == stopped.size and copy[:half] == copy[half:]


@backed_up
def test_sender_that_waits_can_be_killed(stopped):
    pid = running(stopped, "nc").group().split()[0]
    stopped.run(f"kill {pid}")

    def gone():
        return not running(stopped, "nc")

    wait_until(gone)
    stopped.link.pause(False)
    stopped.ping()


@backed_up
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


class Flood:
    """Datagrams for a port that nobody has open, as fast as the guest takes them: the cable's own thread brings the
    next ones when a ping behind the last ones is answered, so that there are always some on their way."""

    WINDOW = 200

    def __init__(self, wired, link):
        self.link = link
        self.rounds = 0
        self.mark = b"\0\0\0\0"
        self.burst = [udp_to_guest(b"flood", ethernet=wired.mac, destination=wired.address, check=1)] * self.WINDOW
        self.wired = wired
        link.handlers.append(self._answer)
        self._send()

    def _send(self):
        self.mark = self.rounds.to_bytes(4, "big")
        for frame in self.burst:
            self.link.send(frame)
        self.link.send(wire.icmp_frame(PEER_ETH, self.wired.mac, PEER, self.wired.address, wire.ICMP_ECHO, 0, self.mark,
                                       b"next"))

    def _answer(self, frame):
        reply = wire.parse_icmp(frame)
        if reply and reply.payload == b"next" and reply.rest == self.mark:
            self.rounds += 1
            self._send()

    def end(self):
        self.link.handlers.remove(self._answer)
        return self.rounds * self.WINDOW


FLOOD_TIME = 3.0  # seconds, at least


@pytest.mark.timeout(120)
@pytest.mark.matrix(*[Configuration(card, mode, smp) for smp in (1, 3) for card, mode in (
    ("virtio", "interrupt"), ("virtio", "polled"), ("virtio-pci", "interrupt"), ("e1000", "interrupt"))], rings=True)
def test_flood_starves_nobody(boot, configuration):
    """Two cards, one of them flooded: commands at the prompt are answered, the other card's pings are, and the flood goes
    on meanwhile. In interrupt mode its interrupts are far fewer than its frames."""
    guest = boot(nics=2, deadline=110)
    wired = Wired(guest)
    first, second = card_names(wired)
    wired.run(f"ifconfig {second} 10.0.3.15/24 up {configuration.mode}")
    wired.introduce()
    other = Host(guest.links[1], OTHER_IP, OTHER_MAC)
    assert "1 received" in wired.run(f"ping -c 1 {OTHER_IP}")
    wired.mac, wired.address = GUEST_MAC, GUEST_IP
    before = wired.counters()
    since = guest.links[1].position()
    began = time.monotonic()
    flood = Flood(wired, guest.links[0])
    commands, pings = 0, 0
    while time.monotonic() - began < FLOOD_TIME:
        rounds = flood.rounds
        word = f"still-here-{commands}"
        assert word in wired.run(f"echo {word}", timeout=10)
        assert "1 received" in wired.run(f"ping -c 1 -W 3 {OTHER_IP}", timeout=10)
        commands, pings = commands + 2, pings + 1

        def flood_goes_on():
            return flood.rounds > rounds

        wait_until(flood_goes_on, 10)
    frames = flood.end()
    wired.settle()
    wired.ping()
    after = wired.counters()

    def grown(card, name):
        return after[card, name] - before[card, name]

    assert commands >= 6 and frames >= 2000, (commands, frames)
    assert after["udp", "bad_checksum"] - before["udp", "bad_checksum"] >= frames
    assert sum(1 for f in guest.links[1].from_guest(since) if wire.parse_icmp(f)) == pings
    assert not other.refused
    if configuration.mode == "polled":
        # With the event index, suppression ends for one frame when the ring's 16-bit index comes round.
        assert grown(first, "interrupts") <= 1 + frames // 65536
        assert grown(second, "interrupts") == 0
    else:
        assert grown(first, "interrupts") < grown(first, "rx_packets") / 4
    assert grown(first, "polls") > 0 and grown(first, "doorbells") > 0
    print(f"{configuration}: {frames} frames, {commands} commands, {grown(first, 'interrupts')} interrupts, "
          f"{grown(first, 'polls')} polls in {time.monotonic() - began:.1f} s")
