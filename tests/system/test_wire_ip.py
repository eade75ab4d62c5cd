"""IPv4 on the wire: rows I1-I9 and L8 of the requirement table (RFC 791, 1122 3.2.1, 6864).

Each wrong frame must be dropped in silence and counted under its reason. Its payload is an echo request,
which a stack that takes the frame would answer."""

import pytest

from harness import wire
from shell import (GUEST_IP, GUEST_MAC, PEER, PEER_ETH, STRANGER, Wired, card_names, case, icmp_to_guest,
                   is_arp_request_for, udp_to_guest)

pytestmark = pytest.mark.matrix


@pytest.fixture
def wired(boot):
    wired = Wired(boot())
    wired.introduce()
    return wired


def echo(**fields):
    return icmp_to_guest(wire.ICMP_ECHO, **fields)


def echo_from(source):
    return icmp_to_guest(wire.ICMP_ECHO, source=source)


BROADCAST_FRAME_TO_US = echo(ethernet=wire.BROADCAST_MAC)

DROPPED = {
    "I1-version-6": (echo(version=6), "bad_version"),
    "I1-version-0": (echo(version=0), "bad_version"),
    "I2-checksum": (echo(header_checksum=0x1234), "bad_checksum"),
    "I3-header-16-bytes": (echo(header_words=4), "bad_header_length"),
    "I3-header-beyond-frame": (wire.ethernet(GUEST_MAC, PEER_ETH, 0x0800, wire.ipv4(
        PEER, GUEST_IP, 1, b"", header_words=15)), "bad_header_length"),
    "I3-total-beyond-frame": (echo(total_length=200), "bad_length"),
    "I3-total-within-header": (echo(total_length=19), "bad_length"),
    "I3-no-whole-header": (echo()[:14 + 19], "too_short"),
    "I4-not-for-us": (echo(destination=STRANGER), "not_for_us"),
    "I4-other-broadcast": (echo(destination=wire.ip("10.0.3.255")), "not_for_us"),
    "I4-multicast": (echo(destination=wire.ip("224.0.0.1")), "not_for_us"),
    "I5-source-broadcast": (echo_from(wire.BROADCAST_IP), "bad_source"),
    "I5-source-subnet-broadcast": (echo_from(wire.ip("10.0.2.255")), "bad_source"),
    "I5-source-is-our-own": (echo_from(GUEST_IP), "bad_source"),
    "I5-source-zero": (echo_from(b"\0" * 4), "bad_source"),
    "I5-source-in-net-zero": (echo_from(wire.ip("0.0.0.5")), "bad_source"),
    "I5-source-multicast": (echo_from(wire.ip("224.1.2.3")), "bad_source"),
    "I5-source-loopback": (echo_from(wire.ip("127.0.0.1")), "bad_source"),
    "I5-source-class-e": (echo_from(wire.ip("240.1.2.3")), "bad_source"),
    "I7-destination-loopback": (echo(destination=wire.ip("127.0.0.1")), "not_for_us"),
    "I8-destination-zero": (echo(destination=b"\0" * 4), "not_for_us"),
    "L8-unicast-in-broadcast": (BROADCAST_FRAME_TO_US, "unicast_in_broadcast"),
    "fragment-first": (echo(flags_offset=0x2000), "fragment"),
    "fragment-last": (echo(flags_offset=0x00B9), "fragment"),
}


UNPADDED = "I3-no-whole-header"  # QEMU's e1000 makes frames longer before the guest sees them


def test_wrong_datagram_is_dropped_and_counted(wired, configuration):
    for row, (frame, reason) in DROPPED.items():
        if row == UNPADDED and configuration and configuration.card == "e1000":
            continue
        with case(row):
            before = wired.counters()
            assert wired.answers(frame) == []
            assert wired.counted(before, "ip", reason) == 1


def test_i3_ethernet_padding_is_trimmed(wired):
    """The echo must have the 3 bytes of the request, not what the wire added to reach 60."""
    frame = echo(payload=b"abc")
    frame += b"\xee" * (60 - len(frame))
    (reply,) = wired.answers(frame)
    assert wire.parse_icmp(reply).payload == b"abc"


def test_i12_small_ttl_is_taken(wired):
    (reply,) = wired.answers(echo(ttl=1))
    assert wire.parse_icmp(reply).packet.ttl > 1


def test_i14_options_are_passed_over(wired):
    """Router alert, which this stack does not know, then no-operation and end of list."""
    (reply,) = wired.answers(echo(options=b"\x94\4\0\0\1\1\0\0"))
    assert wire.parse_icmp(reply).payload == b"payload"


def test_i14_broken_options_are_dropped_and_counted(wired):
    for options in (b"\x94\0\0\0", b"\x94\1\0\0", b"\x94\x28\0\0", b"\1\1\1\x94"):
        with case(options):
            before = wired.counters()
            assert wired.answers(echo(options=options)) == []
            assert wired.counted(before, "ip", "bad_options") == 1


def test_i6_reply_comes_from_the_address_asked(wired):
    assert wired.ping().packet.source == GUEST_IP


def test_i7_loopback_stays_inside(wired):
    assert "0 received" not in wired.run("ping -c 1 127.0.0.1")
    assert not [f for f in wired.link.from_guest() if (p := wire.parse_ip(f)) and p.destination[0] == 127]


def test_i9_identifications_are_not_repeated(wired):
    """Of datagrams that may be fragmented; those with DF are atomic, and their number means nothing."""
    wired.answers(*[echo(rest=bytes([0, 1, 0, n])) for n in range(100)])
    numbers = [p.identification for f in wired.link.from_guest()
               if (p := wire.parse_ip(f)) and p.destination == PEER and not p.flags_offset & 0x4000]
    assert len(set(numbers)) == len(numbers)


def test_r1_other_networks_are_reached_by_the_gateway(wired):
    """The frame goes to the gateway's station, the packet to the host; nobody asks for that host by ARP."""
    assert "1 received" in wired.run("ping -c 1 192.0.2.7")
    requests = [p for f in wired.link.from_guest()
                if (p := wire.parse_ip(f)) and p.destination == wire.ip("192.0.2.7")]
    assert requests and {p.eth_destination for p in requests} == {wired.gateway.mac}
    assert not [f for f in wired.link.from_guest() if is_arp_request_for(f, wire.ip("192.0.2.7"))]


def test_l1_frames_of_every_short_length_do_no_harm(wired):
    """QEMU passes frames of any length, even those shorter than a header."""
    for length in (0, 1, 13, 14, 15, 33, 34):
        with case(length):
            frame = udp_to_guest()[:length]
            assert wired.answers(*[frame] if frame else []) == []


def test_l1_too_long_frames_do_no_harm(wired):
    for size in (1515, 1600, 2000):
        with case(size):
            frame = echo(payload=b"x" * (size - 42))
            wired.answers(frame)
            wired.ping()


def test_l2_unknown_ethernet_types_are_counted(wired):
    before = wired.counters()
    assert wired.answers(wire.ethernet(GUEST_MAC, PEER_ETH, 0x86DD, b"\0" * 46)) == []
    assert wired.counted(before, "ether", "unknown_type") == 1


def test_l1_frames_for_other_stations_are_counted(wired):
    """A card passes them on only when it is told to."""
    (name,) = card_names(wired)
    wired.run(f"ifconfig {name} promisc")
    before = wired.counters()
    assert wired.answers(echo(ethernet=wire.mac("52:54:00:99:99:99"))) == []
    assert wired.counted(before, "ether", "not_for_us") == 1


def test_wrong_datagrams_leak_nothing(wired):
    """Every drop gives its buffer back: afterwards no more are held by anybody than before."""
    others = [icmp_to_guest(wire.ICMP_ECHO, check=1), icmp_to_guest(99), icmp_to_guest(0), icmp_to_guest(3),
              udp_to_guest(check=1), udp_to_guest(length=3), udp_to_guest(length=2000), udp_to_guest(),
              wire.ethernet(GUEST_MAC, PEER_ETH, 0x86DD, b"\0" * 46), udp_to_guest()[:20],
              wire.arp_frame(PEER_ETH, GUEST_MAC, wire.ARP_REQUEST, PEER, GUEST_IP, hardware=9),
              wire.arp_frame(PEER_ETH, GUEST_MAC, 7, PEER, GUEST_IP)]
    before = wired.counters()
    for _ in range(20):
        wired.answers(*[frame for frame, _ in DROPPED.values()], *others)
    after = wired.counters()
    for owner in ("stack", "socket", "arp_wait", "reassembly", "dev_queue"):
        assert after["mbuf", owner] == before["mbuf", owner], owner
