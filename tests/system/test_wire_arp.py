"""ARP on the wire: rows A1-A6 and L4-L9 of the requirement table (RFC 826, 1122 2.3.2, 5227)."""

import time

import pytest

from harness import wire
from shell import (GUEST_IP, GUEST_MAC, PEER, PEER_ETH, STRANGER, STRANGER_ETH, Wired, case, icmp_to_guest,
                   is_announcement, is_arp_reply_to, is_arp_request_for)

pytestmark = pytest.mark.matrix

ZERO = b"\0" * 4
OTHER_ETH = wire.mac("52:55:0a:00:02:65")


@pytest.fixture
def wired(boot):
    return Wired(boot())


def test_a2_reply_is_unicast_with_fields_swapped(wired):
    replies = [wire.parse_arp(frame) for frame in wired.answers(
        wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, PEER, GUEST_IP))]
    assert replies == [wire.Arp(PEER_ETH, GUEST_MAC, wire.ARP_REPLY, GUEST_MAC, GUEST_IP, PEER_ETH, PEER)]


def test_a2_request_for_another_host_gets_no_reply(wired):
    wired.introduce()
    assert wired.answers(wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, PEER, STRANGER)) == []


def test_a1_odd_requests_are_ignored_and_counted(wired):
    wired.introduce()
    for odd, counter in (({"hardware": 6}, "bad_format"),
                         ({"protocol": 0x0806}, "bad_format"),
                         ({"hardware_length": 8}, "bad_format"),
                         ({"protocol_length": 16}, "bad_format"),
                         ({"operation": 3}, "unknown_operation"),
                         ({"operation": 0}, "unknown_operation")):
        with case(odd):
            before = wired.counters()
            fields = {"operation": wire.ARP_REQUEST, "sender_ip": PEER, "target_ip": GUEST_IP, **odd}
            assert wired.answers(wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, **fields)) == []
            assert wired.counted(before, "arp", counter) == 1


@pytest.mark.cards("virtio", "virtio-pci")  # QEMU's e1000 makes frames longer before the guest sees them
def test_a1_short_packets_are_ignored_and_counted(wired):
    wired.introduce()
    for length in (14, 20, 41):
        with case(length):
            before = wired.counters()
            whole = wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, PEER, GUEST_IP)
            assert wired.answers(whole[:length]) == []
            assert wired.counted(before, "arp", "too_short") == 1


@pytest.mark.parametrize("operation", [wire.ARP_REQUEST, wire.ARP_REPLY])
def test_a3_known_sender_is_updated_whatever_the_operation(wired, operation):
    wired.introduce()
    wired.send(wire.arp_frame(OTHER_ETH, wire.BROADCAST_MAC, operation, PEER, STRANGER))
    assert wired.ping().packet.eth_destination == OTHER_ETH


def test_a4_unknown_sender_is_entered_only_if_we_are_asked(wired):
    """After a request for somebody else its sender is still unknown: a ping from it makes the guest ask."""
    wired.introduce()
    wired.send(wire.arp_frame(STRANGER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, STRANGER, PEER))
    since = wired.link.position()
    wired.send(wire.icmp_frame(STRANGER_ETH, GUEST_MAC, STRANGER, GUEST_IP, wire.ICMP_ECHO, 0, b"1234", b""))
    assert wired.link.wait_for(lambda f: is_arp_request_for(f, STRANGER), since), "expected an ARP request"


def test_a4_sender_that_asked_us_is_entered(wired):
    wired.introduce(STRANGER, STRANGER_ETH)
    since = wired.link.position()
    assert wired.ping(STRANGER, STRANGER_ETH).packet.eth_destination == STRANGER_ETH
    assert not [f for f in wired.link.from_guest(since) if is_arp_request_for(f, STRANGER)]


def test_a5_probe_is_answered_and_zero_is_never_cached(wired):
    since = wired.link.position()
    wired.arp_request(ZERO, PEER_ETH)
    assert wired.link.wait_for(lambda f: is_arp_reply_to(f, ZERO), since), "expected a reply to a probe"
    assert "0.0.0.0" not in wired.run("arp")


def announcements(wired):
    return [r.seconds for r in wired.link.frames if is_announcement(r.frame)]


def wait_for_both_announcements(wired):
    assert wired.link.wait_for(lambda _: len(announcements(wired)) >= 2), announcements(wired)
    return announcements(wired)


def test_a6_address_is_announced(wired):
    """RFC 5227, 2.3: sender and target address are the own one, twice, 2 s apart."""
    first, second = wait_for_both_announcements(wired)
    assert 1.5 <= second - first <= 4.0
    announced = [wire.parse_arp(f) for f in wired.link.from_guest() if is_announcement(f)]
    assert {(p.sender_mac, p.sender_ip) for p in announced} == {(GUEST_MAC, GUEST_IP)}


def test_a5_address_is_probed_before_it_is_used(wired):
    """Three probes from 0.0.0.0 come before the first frame that names the address as its sender's."""
    wired.introduce()
    sent = [wire.parse_arp(frame) for frame in wired.link.from_guest(0)]
    probes = [n for n, arp in enumerate(sent) if arp and arp.sender_ip == ZERO and arp.target_ip == GUEST_IP]
    used = [n for n, arp in enumerate(sent) if not arp or arp.sender_ip == GUEST_IP]
    assert len(probes) == 3 and max(probes) < min(used), sent
    assert all(sent[n].eth_destination == wire.BROADCAST_MAC for n in probes)


@pytest.mark.cards("virtio", "virtio-pci")  # QEMU's e1000 receives nothing in its first second
def test_a5_address_in_use_is_not_taken(boot):
    guest = boot(allow=(r"already in use",))

    def owner(frame):
        arp = wire.parse_arp(frame)
        if arp and arp.sender_ip == ZERO and arp.target_ip == GUEST_IP:
            guest.links[0].send(wire.arp_frame(OTHER_ETH, GUEST_MAC, wire.ARP_REPLY, GUEST_IP, ZERO, GUEST_MAC))

    guest.links[0].handlers.append(owner)
    guest.console.expect("already in use on this network")
    guest.console.expect(r"^\$ ", 20)
    guest.console.send("ifconfig virtio0\n")
    assert "inet" not in guest.console.expect(r"(?s)ifconfig virtio0\n(.*?)^\$ ").group(1)
    assert not [f for f in guest.links[0].from_guest(0) if (a := wire.parse_arp(f)) and a.sender_ip == GUEST_IP]


def test_a6_conflict_is_noticed_and_the_address_defended(wired):
    """By one announcement, and not a second one within 10 s (RFC 5227, 2.4 c)."""
    wired.introduce()
    wait_for_both_announcements(wired)
    before = wired.counters()
    for _ in range(2):
        wired.send(wire.arp_frame(OTHER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, GUEST_IP, PEER))
        wired.ping()
    assert wired.counted(before, "arp", "conflicts") == 2
    assert len(announcements(wired)) == 3


def test_l4_entries_can_be_flushed(wired):
    wired.introduce()
    assert "10.0.2.100" in wired.run("arp")
    wired.run("arp -d 10.0.2.100")
    assert "10.0.2.100" not in wired.run("arp")
    since = wired.link.position()
    wired.ping()
    assert [f for f in wired.link.from_guest(since) if is_arp_request_for(f, PEER)]


def test_l5_timeout_can_be_set(wired):
    wired.introduce()
    assert wired.run("arp -t").split() == ["1200"]
    for wrong in ("0", "-1", "1x", "4294967296"):
        assert "not a number of seconds" in wired.run(f"arp -t {wrong}")
    assert "10.0.2.100" in wired.run("arp")
    wired.run("arp -t 1")
    assert wired.run("arp -t").split() == ["1"]
    deadline = time.monotonic() + 20
    while "10.0.2.100" in wired.run("arp"):
        assert time.monotonic() < deadline, "expected the entry to go after a second, it stays"


@pytest.mark.timeout(40)
def test_l6_silent_host_is_asked_once_a_second_at_most(wired):
    wired.run("ping -c 4 10.0.2.77", timeout=25)
    times = [r.seconds for r in wired.link.frames if is_arp_request_for(r.frame, STRANGER)]
    assert times, "expected ARP requests, got none"
    # On a busy machine the link may see a request some tenths late, which shortens the time to the next.
    assert all(time - times[0] > 0.9 * n - 0.4 for n, time in enumerate(times)), f"more than one a second: {times}"


def test_l7_l9_datagram_waits_for_the_answer(wired):
    """A missing entry alone is no error: what waits goes out when the answer comes."""
    since = wired.link.position()
    wired.send(icmp_to_guest(wire.ICMP_ECHO, source=STRANGER, rest=b"wait"))
    assert wired.link.wait_for(lambda f: is_arp_request_for(f, STRANGER), since), "expected an ARP request"
    wired.send(wire.arp_frame(STRANGER_ETH, GUEST_MAC, wire.ARP_REPLY, STRANGER, GUEST_IP, GUEST_MAC))
    reply = wired.link.wait_for(
        lambda f: (m := wire.parse_icmp(f)) and m.rest == b"wait" and m, since)
    assert reply and reply.packet.eth_destination == STRANGER_ETH


def test_l7_the_newest_datagram_is_kept(wired):
    since = wired.link.position()
    for mark in (b"old1", b"old2", b"new3"):
        wired.send(icmp_to_guest(wire.ICMP_ECHO, source=STRANGER, rest=mark))
    wired.ping()
    wired.send(wire.arp_frame(STRANGER_ETH, GUEST_MAC, wire.ARP_REPLY, STRANGER, GUEST_IP, GUEST_MAC))
    wired.ping()
    marks = [m.rest for f in wired.link.from_guest(since)
             if (m := wire.parse_icmp(f)) and m.packet.destination == STRANGER]
    assert marks and marks[-1] == b"new3", marks


def test_reply_nobody_asked_for_makes_no_entry(wired):
    wired.introduce()
    wired.answers(wire.arp_frame(STRANGER_ETH, wire.BROADCAST_MAC, wire.ARP_REPLY, STRANGER, STRANGER))
    assert "10.0.2.77" not in wired.run("arp")


@pytest.mark.parametrize("sender_mac", [wire.BROADCAST_MAC, b"\1\0\x5e\0\0\1"], ids=["broadcast", "multicast"])
def test_sender_must_be_one_station(wired, sender_mac):
    """An entry with a group address would send everything for that host to everybody."""
    wired.introduce()
    before = wired.counters()
    frame = wire.arp_frame(PEER_ETH, GUEST_MAC, wire.ARP_REQUEST, PEER, GUEST_IP, sender_mac=sender_mac)
    assert wired.answers(frame) == []
    assert wired.counted(before, "arp", "bad_sender") == 1
    assert wired.ping().packet.eth_destination == PEER_ETH
