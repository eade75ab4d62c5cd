"""Cables that are pulled out and interfaces that go down and up, with and without traffic: for every kind of card."""

import pytest

from harness import wire
from configurations import EVERY_CARD
from shell import (GUEST_IP, GUEST_MAC, PEER, PEER_ETH, Wired, card_names, is_announcement, is_arp_reply_to,
                   udp_to_guest, wait_until)

pytestmark = pytest.mark.matrix(*EVERY_CARD)

ECHO = 7


@pytest.fixture
def wired(boot):
    shell = Wired(boot())
    (shell.card,) = card_names(shell)
    shell.monitor = boot.guest.monitor
    shell.introduce()
    return shell


def set_link(wired, up):
    wired.monitor.set_link(0, up)
    wired.console.expect(f"{wired.card}: link {'up' if up else 'down'}", 10)
    wired.settle()


def test_dead_link_is_no_way(wired):
    """Sends are refused at once, the interface says so, and afterwards others are told where the address is."""
    set_link(wired, False)
    assert "link" not in wired.run(f"ifconfig {wired.card}").splitlines()[0]
    since = wired.link.position()
    before = wired.counters()
    assert "Network is down" in wired.run("ping -c 1 10.0.2.100")
    assert "Network is down" in wired.run("echo x | nc -u -w 1 8.8.8.8 9")  # by the gateway: the same card
    assert wired.counters()[wired.card, "tx_packets"] == before[wired.card, "tx_packets"]
    assert "1 received" in wired.run("ping -c 1 127.0.0.1")
    assert "1 received" in wired.run("ping -c 1 10.0.2.15")  # the own address is reached without a wire
    assert wired.link.from_guest(since) == []
    set_link(wired, True)
    assert wired.link.wait_for(is_announcement, since), "expected an announcement, got none"
    assert "link" in wired.run(f"ifconfig {wired.card}").splitlines()[0]
    assert "1 received" in wired.run("ping -c 1 10.0.2.100")
    wired.ping()


def test_interface_that_comes_up_without_a_link(wired):
    wired.run(f"ifconfig {wired.card} down")
    wired.monitor.set_link(0, False)
    wired.run(f"ifconfig {wired.card} up")
    assert "Network is down" in wired.run("ping -c 1 10.0.2.100")
    set_link(wired, True)
    assert "1 received" in wired.run("ping -c 1 10.0.2.100")


class Load:
    """Echo requests to the guest, a window of them under way at a time: each answer brings the next one, and what
    is lost is sent anew by prime()."""

    def __init__(self, wired):
        self.wired = wired
        self.answered = 0
        wired.link.handlers.append(self._answer)
        self.sent = 0

    def _answer(self, frame):
        datagram = wire.parse_udp(frame)
        if datagram and datagram.source_port == ECHO:
            self.answered += 1
            self._send()

    def _send(self):
        self.sent += 1
        self.wired.send(udp_to_guest(b"%8d" % self.sent + b"-" * 500, port=ECHO, source_port=4000))

    def prime(self, window=32):
        for _ in range(window):
            self._send()

    def proceeds(self, answers=50):
        goal = self.answered + answers

        def load_proceeds():
            return self.answered >= goal

        self.prime()
        wait_until(load_proceeds)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["down-up", "link", "polled"])
def test_changes_under_traffic_lose_nothing(wired, how):
    """Six times, in the middle of echoes both ways: every mbuf is accounted for afterwards, and the sockets of
    before go on."""
    changes = {"down-up": f"ifconfig {wired.card} down ; ifconfig {wired.card} up",
               "polled": f"ifconfig {wired.card} polled ; ifconfig {wired.card} interrupt"}
    wired.serve(f"udpecho {ECHO}", ECHO)
    quiet = wired.counters()
    load = Load(wired)

    def answering():  # a frame that comes before the card is ready is lost
        since = wired.link.position()
        wired.arp_request()
        return wired.link.wait_for(lambda f: is_arp_reply_to(f, PEER), since, timeout=0.5)

    for _ in range(6):
        load.proceeds()
        if how == "link":
            wired.monitor.set_link(0, False)
            wired.monitor.set_link(0, True)
        else:
            wired.run(changes[how])
        wait_until(answering)
    load.proceeds()
    wired.link.handlers.remove(load._answer)

    def all_sent():  # udpecho may still have a queue to answer; each ping has the ring's sent frames taken back
        wired.ping()
        wired.ping()
        after.update(wired.counters())
        return after["mbuf", "socket"] == 0 and after["mbuf", "tx_ring"] <= 2

    after = {}
    wired.settle()
    wait_until(all_sent)
    owners = ("free", "rx_ring", "stack", "arp_wait", "reassembly", "socket", "dev_queue", "tx_ring")
    counts = {name: after["mbuf", name] for name in owners}
    assert sum(counts.values()) == after["mbuf", "total"], counts
    held = {name: count for name, count in counts.items() if name not in ("free", "rx_ring", "tx_ring")}
    assert not any(held.values()), held
    assert counts["rx_ring"] == quiet["mbuf", "rx_ring"]
    if how == "down-up":
        assert counts["free"] >= quiet["mbuf", "free"] - 2
    (socket,) = [line.split() for line in wired.run("netstat -u").splitlines() if line.startswith("udp")]
    assert socket[1] == "0" and socket[5] == f"*:{ECHO}", socket
    since = wired.link.position()
    wired.send(wire.udp_frame(PEER_ETH, GUEST_MAC, PEER, GUEST_IP, 4001, ECHO, b"still there"))
    assert wired.link.wait_for(lambda f: (d := wire.parse_udp(f)) and d.payload == b"still there", since)
