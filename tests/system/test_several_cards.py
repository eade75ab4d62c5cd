"""Several cards at once, of all kinds, each with a network of its own; and the model of the host (RFC 1122, 3.3.4.2): weak
for datagrams, which are accepted for any address of ours on any card, strict for ARP, which answers for the
card's own address only."""

import pytest

from harness import wire
from harness.control import Control
from harness.demo import PEER_IP, PEER_MAC
from harness.host import Host
from harness.judges import JUDGES
from harness.qemu import GUEST_MACS
from configurations import Configuration
from shell import (GUEST_MAC, PEER, PEER_ETH, Wired, card_names, is_arp_reply_to, is_arp_request_for, udp_to_guest,
                   wait_until)

# The mode is all three cards', and so is the event index of those that have one.
pytestmark = [pytest.mark.matrix(Configuration("virtio", smp=3), rings=True), pytest.mark.cards("virtio")]

KINDS = ["virtio", "virtio-pci", "e1000"]
SUBNETS = ["10.0.2", "10.0.3", "10.0.4"]


@pytest.fixture
def three(boot, configuration):
    """A guest with one card of each kind; hosts[n] is the neighbour on links[n], 10.0.(2+n).100."""
    guest = boot(cards=KINDS)
    shell = Wired(guest)
    shell.links = guest.links
    shell.cards = card_names(shell)
    assert len(shell.cards) == 3
    shell.subnets = {}
    for name in shell.cards:  # the kernel finds them in an order of its own
        hardware = next(line.split()[1] for line in shell.run(f"ifconfig {name}").splitlines() if "ether" in line)
        shell.subnets[name] = SUBNETS[GUEST_MACS.index(hardware)]
        shell.run(f"ifconfig {name} {shell.subnets[name]}.15/24 up {configuration.mode}")
    shell.hosts = [shell.peer] + [Host(guest.links[n], f"{SUBNETS[n]}.100", PEER_MAC) for n in (1, 2)]
    for n, link in enumerate(shell.links):  # QEMU's e1000 receives nothing in its first second
        own = wire.ip(f"{SUBNETS[n]}.15")
        neighbour = wire.ip(f"{SUBNETS[n]}.100")
        link.send(wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, neighbour, own))
        assert link.wait_for(lambda f: is_arp_reply_to(f, neighbour)), f"expected an answer from {shell.cards[n]}"
    return shell


def test_each_network_through_its_own_card(three):
    for subnet in SUBNETS:
        assert "2 received" in three.run(f"ping -c 2 {subnet}.100")
    for link, subnet in zip(three.links, SUBNETS):
        packets = [p for f in link.from_guest() if (p := wire.parse_ip(f))]
        assert {(p.source, p.destination) for p in packets} == {(wire.ip(f"{subnet}.15"), wire.ip(f"{subnet}.100"))}


def test_one_that_dies_leaves_the_others(three, boot):
    """A dead card's network is not got round by another card: ENETDOWN. The others do not notice."""
    boot.guest.monitor.set_link(1, False)
    three.console.expect("link down", 10)
    three.settle()
    assert "Network is down" in three.run("ping -c 1 10.0.3.100")
    for subnet in ("10.0.2", "10.0.4"):  # QEMU's e1000 hears nothing in its first second
        assert "1 received" in three.run(f"ping -c 1 -W 5 {subnet}.100")
    assert "Network is down" not in three.run("netstat -i")
    boot.guest.monitor.set_link(1, True)
    three.console.expect("link up", 10)
    three.settle()

    def back():
        return "1 received" in three.run("ping -c 1 10.0.3.100")

    wait_until(back)


def test_weak_host(three):
    """A datagram for another card's address is accepted; its answer has that address, and takes the way of its own
    destination."""
    since = three.links[0].position()
    mark = b"weak"
    three.send(wire.icmp_frame(PEER_ETH, GUEST_MAC, PEER, wire.ip("10.0.4.15"), wire.ICMP_ECHO, 0, mark, b"model"))
    reply = three.link.wait_for(lambda f: (m := wire.parse_icmp(f)) and m.rest == mark and m, since)
    assert reply and reply.packet.source == wire.ip("10.0.4.15") and reply.packet.destination == PEER
    assert not any(wire.parse_icmp(f) for link in three.links[1:] for f in link.from_guest())


def test_arp_is_strict(three):
    """Otherwise neighbours on one network would learn of the other's, and send there."""
    answers = three.answers(*[wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, PEER, wire.ip(address))
                              for address in ("10.0.3.15", "10.0.4.15")])
    assert not [f for f in answers if wire.parse_arp(f)]


def test_host_forwards_nothing(three):
    """A host is no router (RFC 1122, 3.3.1): a datagram from one network to the other ends here."""
    before = three.counters()
    assert three.answers(udp_to_guest(destination=wire.ip("10.0.4.100"))) == []
    assert three.counted(before, "ip", "not_for_us") == 1
    assert not any(is_arp_request_for(f, wire.ip("10.0.4.100")) for f in three.links[2].from_guest())


def test_source_is_the_outgoing_cards(three):
    """Of an unbound socket; a bound one keeps its address whatever the card (RFC 1122, 3.3.4.3)."""
    since = [link.position() for link in three.links]
    for subnet in SUBNETS:
        three.run(f"echo hello | nc -u -w 1 {subnet}.100 9")
    for link, start, subnet in zip(three.links, since, SUBNETS):
        (datagram,) = [d for f in link.from_guest(start) if (d := wire.parse_udp(f))]
        assert datagram.packet.source == wire.ip(f"{subnet}.15")


@pytest.mark.timeout(150)
def test_nettests_on_all_three(three):
    """nettests on each card, one after the other. What is sent to 255.255.255.255 goes out on the first card, so the test
    that looks for it runs there only."""
    for host, subnet in zip(three.hosts, SUBNETS):
        control = Control(host)
        names = [name for name in JUDGES if name != "broadcast-tx" or subnet == SUBNETS[0]]
        said = three.run(f"nettests -p {subnet}.100 {' '.join(names)}", timeout=45)
        assert f"{len(names)} of {len(names)} passed" in said, (subnet, said)
        assert control.failures(names) == {}

    def nothing_held():
        after = three.counters()
        return [after["mbuf", owner] for owner in ("stack", "socket", "dev_queue", "arp_wait")] == [0] * 4

    wait_until(nothing_held)
