"""Nothing gets lost without a word: after any traffic, frames in = delivered + the sum of drops + queued, at each layer and
over all of them, with the host's own count of what it sent. All from netstat, when the network is quiet."""

import pytest

from harness import wire
from harness.control import Control
from harness.judges import JUDGES
from shell import GUEST_IP, GUEST_MAC, PEER, PEER_ETH, Wired, card_names, icmp_to_guest, udp_to_guest, wait_until

pytestmark = pytest.mark.matrix(rings=True)

# What the drop counters of reception are, per group; the others of the same groups are about sending.
RECEIVE_DROPS = {
    "ether": ("too_short", "not_for_us", "bad_source", "length_field", "unknown_type"),
    "arp": ("too_short", "bad_format", "bad_sender"),
    "ip": ("too_short", "bad_version", "bad_header_length", "bad_length", "bad_checksum", "bad_options", "bad_source",
           "not_for_us", "unicast_in_broadcast", "fragment", "unknown_protocol"),
    "icmp": ("too_short", "bad_checksum", "unknown_type", "echo_broadcast", "echo_no_socket", "source_quench", "redirect",
             "error_bad_quote", "error_not_ours"),
    "udp": ("bad_length", "bad_checksum", "no_port"),
    "socket": ("queue_full", "share_full", "shut_down", "bad_buffer", "unread"),
}
SEND_DROPS = {
    "arp": ("wait_replaced", "wait_failed", "wait_flushed", "unreachable", "table_full"),
    "ip": ("send_too_long", "send_invalid"),
}
CARD_DROPS = ("rx_no_mbuf", "rx_bad_length", "rx_errors", "rx_reset")
CARD_SEND_DROPS = ("tx_ring_full", "tx_down", "tx_too_long")

NOISE = [
    wire.ethernet(GUEST_MAC, PEER_ETH, 0x86DD, b"another protocol" * 4),
    wire.ethernet(GUEST_MAC, b"\1\2\3\4\5\6", 0x0800, b"from a group" * 5),
    wire.ethernet(GUEST_MAC, PEER_ETH, 0x0100, b"IEEE 802.3" * 6),
    wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, PEER, GUEST_IP)[:30],
    wire.arp_frame(PEER_ETH, wire.BROADCAST_MAC, 9, PEER, GUEST_IP),
    icmp_to_guest(wire.ICMP_ECHO, version=6),
    icmp_to_guest(wire.ICMP_ECHO, header_checksum=1),
    icmp_to_guest(wire.ICMP_ECHO, flags_offset=0x2000),
    icmp_to_guest(wire.ICMP_ECHO, destination=wire.ip("10.0.2.255")),
    icmp_to_guest(wire.ICMP_ECHO, destination=wire.ip("10.0.2.99")),
    icmp_to_guest(wire.ICMP_ECHO_REPLY),
    icmp_to_guest(3, 3, payload=b"quotes nothing"),
    icmp_to_guest(4), icmp_to_guest(5), icmp_to_guest(77),
    wire.ethernet(GUEST_MAC, PEER_ETH, 0x0800, wire.ipv4(PEER, GUEST_IP, 99, b"no such protocol")),
    udp_to_guest(b"closed"), udp_to_guest(b"short", length=3), udp_to_guest(b"wrong", check=0x1234),
]


def dropped(counters, groups):
    return sum(counters[group, name] for group, names in groups.items() for name in names)


def check(counters, cards):
    """Every equation holds; the same names as in kernel/net/counters.h."""
    c = counters

    def cards_sum(*names):
        return sum(c[card, name] for card in cards for name in names)

    def drops(group):
        return sum(c[group, name] for name in RECEIVE_DROPS[group])

    from_cards = c["ip", "received"] - c["lo", "rx_packets"]
    assert c["ether", "received"] == cards_sum("rx_packets")
    assert c["ether", "received"] == drops("ether") + c["arp", "received"] + from_cards
    assert c["ip", "received"] == drops("ip") + c["ip", "delivered"]
    assert c["ip", "delivered"] == c["icmp", "received"] + c["udp", "received"]
    answered = c["icmp", "echo_replies_sent"] + c["icmp", "echo_no_way"]
    assert (c["icmp", "received"] == drops("icmp") + answered + c["icmp", "errors_delivered"]
            + c["icmp", "echo_replies_delivered"])
    for_sockets = (c["udp", "received"] - drops("udp") + c["icmp", "echo_replies_delivered"] + c["socket", "copies"])
    assert for_sockets == (c["socket", "queued"] + c["socket", "queue_full"] + c["socket", "share_full"]
                           + c["socket", "shut_down"])
    assert c["socket", "queued"] == (c["socket", "read"] + c["socket", "bad_buffer"] + c["socket", "unread"]
                                     + c["mbuf", "socket"])
    # The way out: what IP and ARP gave to Ethernet is what the cards took or dropped, or what still waits.
    assert c["ether", "sent"] == cards_sum("tx_packets", *CARD_SEND_DROPS) + c["mbuf", "dev_queue"]
    for_cards = c["ip", "sent"] - c["lo", "tx_packets"] - c["lo", "tx_ring_full"] - c["lo", "tx_down"]
    arp_sent = sum(c["arp", name] for name in ("requests_sent", "replies_sent", "probes_sent", "announcements_sent"))
    assert c["ether", "sent"] == for_cards + arp_sent - dropped(c, {"arp": SEND_DROPS["arp"]}) - c["mbuf", "arp_wait"]


def check_all(wired):
    counters, to_guest, from_guest = wired.quiet_counters()
    cards = card_names(wired)
    check(counters, cards)
    assert to_guest == sum(counters[card, name] for card in cards for name in ("rx_packets", *CARD_DROPS))
    assert from_guest == sum(counters[card, "tx_packets"] - counters[card, "tx_reset"] for card in cards)
    # The sum of it all, in one line: frames in = delivered + dropped + queued.
    c = counters
    delivered = (c["arp", "received"] - sum(c["arp", n] for n in RECEIVE_DROPS["arp"]) + c["socket", "read"]
                 + c["icmp", "echo_replies_sent"] + c["icmp", "echo_no_way"] + c["icmp", "errors_delivered"])
    into = to_guest + c["lo", "rx_packets"] + c["socket", "copies"]
    losses = dropped(c, RECEIVE_DROPS) + sum(c[card, name] for card in cards for name in CARD_DROPS)
    assert into == delivered + losses + c["mbuf", "socket"]
    return counters


@pytest.fixture
def wired(boot):
    wired = Wired(boot(smp=3))
    Control(wired.peer)
    wired.introduce()
    return wired


def test_after_a_whole_run_of_nettests(wired):
    assert f"{len(JUDGES)} of {len(JUDGES)} passed" in wired.run("nettests", 50)
    check_all(wired)


def test_after_all_kinds_of_wrong_frames(wired):
    """Each is counted under one reason, and under one only."""
    before = wired.quiet_counters()[0]
    for frame in NOISE:
        wired.send(frame)
    after = check_all(wired)
    reasons = [name for name in after if after[name] > before[name] and name[1] in RECEIVE_DROPS.get(name[0], ())]
    assert len(reasons) >= 15, reasons


def test_with_datagrams_that_nobody_has_read(wired):
    """They are counted where they wait, and where they go with their socket."""
    wired.serve("nc -u -l 5000 > /dev/null", 5000)
    # udpecho does not read its input, so nc stops when the pipe is full.
    wired.serve("nc -u -l 5001 | udpecho 5002", 5001, 5002)
    for number in range(1000):
        wired.send(udp_to_guest(bytes([number % 256]) * 100, 5000 + number % 2))
    counters = check_all(wired)
    assert counters["mbuf", "socket"] > 0 and counters["socket", "queue_full"] > 0
    for line in wired.run("ps").splitlines():
        if line.endswith((" nc", " udpecho")):
            wired.run(f"kill {line.split()[0]}")

    def all_gone():
        return wired.counters()["mbuf", "socket"] == 0

    wait_until(all_gone)
    check_all(wired)


def test_broadcasts_to_several_sockets(wired):
    wired.serve("udpecho 5000", 5000)
    wired.serve("udpecho 5001", 5001)
    for port in (5000, 5001, 5002):
        wired.send(udp_to_guest(b"all", port, destination=wire.BROADCAST_IP, ethernet=wire.BROADCAST_MAC))
    check_all(wired)


def test_with_datagrams_inside(wired):
    """Loopback's frames count as frames, too."""
    wired.run("ping -c 2 127.0.0.1")
    wired.run("ping -c 1 10.0.2.15")
    wired.run("echo x | nc -u -w 1 127.0.0.1 4000")
    check_all(wired)
