"""ICMP on the wire: rows C1-C9 of the requirement table (RFC 792, 1122 3.2.2)."""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness import wire
from shell import CLOSED_PORT, GUEST_IP, GUEST_MAC, PEER, PEER_ETH, Wired, case, icmp_to_guest, udp_to_guest

pytestmark = pytest.mark.matrix


@pytest.fixture
def wired(boot):
    wired = Wired(boot())
    wired.introduce()
    return wired


def test_c14_c15_echo_is_answered_in_full(wired):
    for size in (0, 1, 2, 55, 56, 1000, 1471, 1472):
        with case(size):
            payload = bytes(n * 5 & 255 for n in range(size))
            (frame,) = wired.answers(icmp_to_guest(wire.ICMP_ECHO, payload=payload, rest=b"\x12\x34\x56\x78"))
            reply = wire.parse_icmp(frame)
            assert (reply.kind, reply.code, reply.rest) == (wire.ICMP_ECHO_REPLY, 0, b"\x12\x34\x56\x78")
            assert reply.payload == payload
            assert (reply.packet.source, reply.packet.destination) == (GUEST_IP, PEER)


def test_broadcast_echo_is_not_answered(wired):
    """RFC 1122, 3.2.2.6 allows to ignore it: a whole network that answers floods the asker."""
    for destination in ("255.255.255.255", "10.0.2.255"):
        with case(destination):
            before = wired.counters()
            assert wired.answers(icmp_to_guest(wire.ICMP_ECHO, destination=wire.ip(destination),
                                               ethernet=wire.BROADCAST_MAC)) == []
            assert wired.counted(before, "icmp", "echo_broadcast") == 1


def test_c1_unknown_types_are_dropped(wired):
    for kind in (1, 2, 6, 7, 15, 37, 40, 99, 255):
        with case(kind):
            before = wired.counters()
            assert wired.answers(icmp_to_guest(kind)) == []
            assert wired.counted(before, "icmp", "unknown_type") == 1


def test_c2_checksum_is_verified(wired):
    before = wired.counters()
    assert wired.answers(icmp_to_guest(wire.ICMP_ECHO, check=0x4321)) == []
    assert wired.counted(before, "icmp", "bad_checksum") == 1


def test_c18_no_replies_to_other_requests(wired):
    for name, kind in (("timestamp", 13), ("information", 15), ("mask", 17)):
        with case(name):
            assert wired.answers(icmp_to_guest(kind, payload=b"\0" * 12)) == []


def test_c3_u1_port_unreachable_quotes_the_datagram_unchanged(wired):
    for size in (0, 1, 8, 200):
        with case(size):
            sent = udp_to_guest(b"q" * size, ttl=57, identification=0x1234, flags_offset=0, tos=0x20)
            (frame,) = wired.answers(sent)
            error = wire.parse_icmp(frame)
            assert (error.kind, error.code, error.rest) == (3, 3, b"\0" * 4)
            assert len(error.payload) >= 28
            assert sent[14:].startswith(error.payload), "the quoted header and data must be those that were sent"
            assert error.packet.destination == PEER


def test_c3_quoted_options_are_kept(wired):
    sent = udp_to_guest(b"12345678", options=b"\x94\4\0\0")
    (frame,) = wired.answers(sent)
    assert sent[14:].startswith(wire.parse_icmp(frame).payload)


def test_scapy_reads_the_error(wired):
    sent = Ether(src=PEER_ETH.hex(":"), dst=GUEST_MAC.hex(":")) / IP(src="10.0.2.100", dst="10.0.2.15") / UDP(
        sport=4321, dport=CLOSED_PORT) / Raw(b"hello")
    (frame,) = wired.answers(bytes(sent))
    error = Ether(frame)[ICMP]
    assert (error.type, error.code) == (3, 3)
    assert error.payload.sport == 4321 and error.payload.dport == CLOSED_PORT


def unreachable_quoting(packet):
    return icmp_to_guest(3, 3, b"\0" * 4, packet[14:14 + 28])


NO_ERROR_ABOUT = {
    "C4-icmp-error": (lambda: unreachable_quoting(udp_to_guest())),
    "C4-time-exceeded": (lambda: icmp_to_guest(11, 0, b"\0" * 4, udp_to_guest()[14:42])),
    "C5-ip-broadcast": (lambda: udp_to_guest(destination=wire.BROADCAST_IP, ethernet=wire.BROADCAST_MAC)),
    "C5-ip-broadcast-in-unicast-frame": (lambda: udp_to_guest(destination=wire.BROADCAST_IP)),
    "C5-subnet-broadcast": (lambda: udp_to_guest(destination=wire.ip("10.0.2.255"), ethernet=wire.BROADCAST_MAC)),
    "C5-multicast": (lambda: udp_to_guest(destination=wire.ip("224.0.0.1"), ethernet=b"\1\0\x5e\0\0\1")),
    "C6-link-broadcast": (lambda: udp_to_guest(ethernet=wire.BROADCAST_MAC)),
    "C7-later-fragment": (lambda: udp_to_guest(flags_offset=0x0010)),
    "C8-source-broadcast": (lambda: udp_to_guest(source=wire.BROADCAST_IP)),
    "C8-source-multicast": (lambda: udp_to_guest(source=wire.ip("224.0.0.9"))),
    "C8-source-loopback": (lambda: udp_to_guest(source=wire.ip("127.0.0.1"))),
    "C8-source-zero": (lambda: udp_to_guest(source=b"\0" * 4)),
}


def test_no_error_is_sent(wired):
    for row, frame in NO_ERROR_ABOUT.items():
        with case(row):
            assert wired.answers(frame()) == []
    assert len(wired.answers(udp_to_guest())) == 1  # no limit of its rate was in the way


def test_c9_protocol_unreachable(wired):
    sent = wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST_IP, 253, b"whatever this is"))
    (frame,) = wired.answers(sent)
    error = wire.parse_icmp(frame)
    assert (error.kind, error.code) == (3, 2)
    assert sent[14:].startswith(error.payload) and len(error.payload) >= 28


def test_c13_source_quench_is_ignored(wired):
    assert wired.answers(icmp_to_guest(4, 0, b"\0" * 4, udp_to_guest()[14:42])) == []


def test_short_messages_are_dropped(wired):
    for length in range(8):
        with case(length):
            frame = wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP,
                                  wire.ipv4(PEER, GUEST_IP, wire.PROTO_ICMP, (b"\x08\0\xf7\xff" + b"\0" * 4)[:length]))
            before = wired.counters()
            assert wired.answers(frame) == []
            assert wired.counted(before, "icmp", "too_short") == 1


def test_errors_with_broken_quotes_do_no_harm(wired):
    for quoted in (b"", b"\x45", b"\x45" + b"\0" * 18, b"\x4f" + b"\0" * 30, b"\xff" * 28):
        with case(quoted):
            assert wired.answers(icmp_to_guest(3, 3, b"\0" * 4, quoted)) == []
