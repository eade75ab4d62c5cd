"""UDP on the wire: rows U1 and U4-U10 of the requirement table (RFC 768, 1122 4.1), against udpecho."""

import pytest

from harness import wire
from shell import GUEST_IP, GUEST_MAC, PEER, PEER_ETH, Wired, case, udp_to_guest

pytestmark = pytest.mark.matrix

ECHO = 7


@pytest.fixture
def wired(boot):
    wired = Wired(boot())
    wired.introduce()
    wired.serve(f"udpecho {ECHO}", ECHO)
    return wired


def ready(frame):
    datagram = wire.parse_udp(frame)
    return bool(datagram and datagram.source_port == ECHO)


def echo(wired, payload, **fields):
    """The payloads of the answers. The echo comes from a process, so it may come behind the ping's answer:
    a second request, whose answer must come last, closes the round."""
    since = wired.link.position()
    wired.send(udp_to_guest(payload, ECHO, **fields))
    wired.send(udp_to_guest(b"last", ECHO, source_port=999))
    wired.link.wait_for(lambda f: (d := wire.parse_udp(f)) and d.destination_port == 999
                        or (m := wire.parse_icmp(f)) and m.kind == 3 and m.payload[20:22] == b"\3\xe7", since)
    return echoed(wired, since)


def echoed(wired, since):
    """The payloads that came back since then, without those of the closing requests."""
    return [d.payload for f in wired.link.from_guest(since)
            if (d := wire.parse_udp(f)) and d.destination_port != 999]


def test_u4_u6_sizes(wired):
    for size in (0, 1, 2, 3, 512, 1471, 1472):
        with case(size):
            payload = bytes(n * 3 & 255 for n in range(size))
            assert echo(wired, payload) == [payload]


def test_u5_wrong_checksum_is_dropped_and_counted(wired):
    before = wired.counters()
    assert echo(wired, b"wrong", check=0x1111) == []
    assert wired.counted(before, "udp", "bad_checksum") == 1


def test_u5_one_flipped_bit_is_found(wired):
    frame = bytearray(udp_to_guest(b"a longer payload", ECHO))
    frame[-3] ^= 0x10
    since = wired.link.position()
    wired.send(frame)
    assert echo(wired, b"after") == [b"after"]
    assert echoed(wired, since) == [b"after"]


def test_u7_no_checksum_is_accepted(wired):
    assert echo(wired, b"none", check=0) == [b"none"]


def test_u6_sum_of_zero_is_sent_as_ones(wired):
    """The echo has the same sum as the request: one whose checksum comes out as 0 must go out as 0xffff (and
    audit.py would find one that went out as 0)."""
    blank = wire.udp(PEER, GUEST_IP, 1234, ECHO, b"\0\0")
    payload = blank[6:8]
    assert echo(wired, payload) == [payload]
    frame = [f for f in wired.link.from_guest() if (d := wire.parse_udp(f)) and d.payload == payload][-1]
    assert frame[40:42] == b"\xff\xff"


def test_u10_impossible_lengths_are_dropped_and_counted(wired):
    """The IP payload has 12 bytes: 8 of header and 4 of data."""
    for length in (0, 7, 13, 1000, 65535):
        with case(length):
            before = wired.counters()
            assert echo(wired, b"four", length=length, check=0) == []
            assert wired.counted(before, "udp", "bad_length") == 1


def test_u10_shorter_length_trims(wired):
    """UDP length 10 in an IP payload of 12: two bytes are data, two are not. The checksum covers the 10."""
    segment = wire.udp(PEER, GUEST_IP, 1234, ECHO, b"ab") + b"zz"
    frame = wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST_IP, 17, segment))
    since = wired.link.position()
    wired.send(frame)
    echo(wired, b"after")
    assert echoed(wired, since) == [b"ab", b"after"]


def test_u10_truncated_headers_are_dropped(wired):
    for length in range(8):
        with case(length):
            before = wired.counters()
            segment = wire.udp(PEER, GUEST_IP, 1234, ECHO, b"")[:length]
            wired.answers(wire.ethernet(GUEST_MAC, PEER_ETH, wire.ETH_IP, wire.ipv4(PEER, GUEST_IP, 17, segment)))
            assert wired.counted(before, "udp", "bad_length") == 1


def test_u9_invalid_sources_are_dropped(wired):
    for source in ("255.255.255.255", "10.0.2.255", "224.0.0.1", "127.0.0.1"):
        with case(source):
            since = wired.link.position()
            wired.send(udp_to_guest(b"bad", ECHO, source=wire.ip(source)))
            assert echo(wired, b"after") == [b"after"]
            assert not [f for f in wired.link.from_guest(since)
                        if (p := wire.parse_ip(f)) and p.destination == wire.ip(source)]


def test_u8_reply_comes_from_the_address_that_was_asked(wired):
    assert echo(wired, b"x") == [b"x"]
    assert {wire.parse_ip(f).source for f in wired.link.from_guest() if ready(f)} == {GUEST_IP}


def test_u1_closed_port_is_counted(wired):
    before = wired.counters()
    (frame,) = wired.answers(udp_to_guest(b"x", 4321))
    assert wire.parse_icmp(frame).code == wire.PORT_UNREACHABLE
    assert wired.counted(before, "udp", "no_port") == 1


def test_flood_nobody_reads_is_bounded(boot):
    """5000 datagrams for a socket that is not read: the system answers, and mbufs are left for others."""
    wired = Wired(boot())
    wired.introduce()
    wired.serve("nc -u -l 5000 > /dev/null", 5000)
    for number in range(5000):
        wired.send(udp_to_guest(number.to_bytes(2, "big"), 5000))
    wired.ping()
    counters = wired.counters()
    assert counters["mbuf", "free"] > 0
