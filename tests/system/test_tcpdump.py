"""tcpdump: what it writes is what was on the wire, to the byte; what it prints, and its filters, fit the frames; and
nobody's traffic suffers from a listener that does not keep up."""

import io
import re
import shutil
import subprocess

import pytest
from scapy.utils import rdpcap

from harness import wire
from configurations import EVERY_CARD, VIRTIO
from shell import (CLOSED_PORT, GUEST_IP, GUEST_MAC, PEER, PEER_ETH, Wired, card_names, icmp_to_guest, udp_to_guest,
                   wait_until)

DUMP = "/tmp/dump"


def wired_with(boot, **options):
    shell = Wired(boot(**options))
    shell.card = card_names(shell)[0]
    shell.introduce()
    return shell


@pytest.fixture
def wired(boot):
    return wired_with(boot, smp=2)


def start(wired, arguments):
    """Begins a capture in the background."""
    wired.console.send(f"tcpdump {arguments} &\n")
    wired.console.expect("listening on .*\n", 10)
    wired.settle()


def file_of(wired, path):
    """A file of the guest: it sends it to the peer's discard service, and the cable saw it."""
    size = int(re.search(rf"(\d+) {path}", wired.run(f"wc -c {path}")).group(1))
    since = wired.link.position()
    wired.run(f"nc -u -w 1 10.0.2.100 9 < {path}")

    def content():
        datagrams = map(wire.parse_udp, wired.link.from_guest(since))
        return b"".join(d.payload for d in datagrams if d and d.destination_port == 9)

    def all_of_the_file():
        return len(content()) == size

    wait_until(all_of_the_file)
    return content()


def ended(wired):
    def tcpdump_ended():
        return "tcpdump" not in wired.run("ps")

    wait_until(tcpdump_ended)


@pytest.mark.matrix(*EVERY_CARD)
def test_file_is_what_was_on_the_wire(wired):
    """Both directions, in order. The e1000 completes checksums, and the file has them right; it also makes short frames
    longer, behind their end. ARP is left out: its announcements come when they come."""
    start(wired, f"-i {wired.card} -c 40 -w {DUMP} ip")
    since = wired.link.position()
    for size in range(15):
        wired.answers(udp_to_guest(b"x" * size), icmp_to_guest(wire.ICMP_ECHO, payload=b"y" * size * 100))
    ended(wired)
    captured = [bytes(packet) for packet in rdpcap(io.BytesIO(file_of(wired, DUMP)))]
    on_the_wire = [record.frame for record in wired.link.frames[since:] if record.frame[12:14] == b"\x08\0"]
    assert len(captured) == 40
    for direction in (lambda f: f[6:12] == PEER_ETH, lambda f: f[6:12] == GUEST_MAC):
        theirs, ours = list(filter(direction, on_the_wire)), list(filter(direction, captured))
        assert len(ours) >= 15
        for seen, sent in zip(ours, theirs):
            common = min(len(seen), len(sent))
            assert seen[:common] == sent[:common] and not any(seen[common:] + sent[common:]), (seen, sent)


def test_tshark_reads_the_file(wired, boot):
    tshark = shutil.which("tshark")
    assert tshark, "tshark is not installed: Debian has it in the package tshark (make deps)"
    start(wired, f"-i {wired.card} -c 2 -w {DUMP} host 10.0.2.100 not arp")
    wired.answers(udp_to_guest(b"12345", port=CLOSED_PORT, source_port=1234))
    ended(wired)
    path = boot.evidence.path / "guest.pcap"
    path.write_bytes(file_of(wired, DUMP))
    fields = ["ip.src", "ip.dst", "udp.dstport", "icmp.type", "icmp.checksum.status"]
    command = [tshark, "-r", path, "-T", "fields", *(word for field in fields for word in ("-e", field))]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert [line.split("\t") for line in said.splitlines()] == [
        ["10.0.2.100", "10.0.2.15", "9999", "", ""],
        ["10.0.2.15,10.0.2.100", "10.0.2.100,10.0.2.15", "9999", "3", "1"]]


@pytest.mark.matrix(VIRTIO)
def test_lines(wired):
    start(wired, f"-i {wired.card} -c 8 host 10.0.2.100 > /tmp/lines")
    wired.arp_request()
    wired.answers(udp_to_guest(b"12345", port=CLOSED_PORT, source_port=1234))
    wired.run("ping -c 1 10.0.2.100 > /dev/null")
    ended(wired)
    lines = wired.run("cat /tmp/lines").splitlines()
    time, name = r"\d+\.\d{6}", wired.card
    padded = 46 if name.startswith("e1000") else 28  # QEMU's e1000 fills up short frames that come in
    for line, expected in zip(lines, (
            f"In  ARP, Request who-has 10.0.2.15 tell 10.0.2.100, length {padded}",
            "Out ARP, Reply 10.0.2.15 is-at 52:54:00:12:34:56, length 28",
            "In  IP 10.0.2.100.1234 > 10.0.2.15.9999: UDP, length 5",
            "Out IP 10.0.2.15 > 10.0.2.100: ICMP port unreachable, length 41",
            r"In  IP 10.0.2.100 > 10.0.2.15: ICMP echo request, id \d+, seq \d+, length 13",
            r"Out IP 10.0.2.15 > 10.0.2.100: ICMP echo reply, id \d+, seq \d+, length 13",
            r"Out IP 10.0.2.15 > 10.0.2.100: ICMP echo request, id \d+, seq \d+, length 64",
            r"In  IP 10.0.2.100 > 10.0.2.15: ICMP echo reply, id \d+, seq \d+, length 64"), strict=True):
        assert re.fullmatch(f"{time} {name} {expected}", line), (line, expected)


def test_udp_length_shorter_than_its_header(wired):
    start(wired, f"-i {wired.card} -c 2 src host 10.0.2.100 and udp > /tmp/lines")
    frame = bytearray(udp_to_guest(b"12345"))
    for length in (7, 8):
        frame[14 + 20 + 4:14 + 20 + 6] = length.to_bytes(2, "big")
        wired.send(bytes(frame))
    ended(wired)
    lines = wired.run("cat /tmp/lines").splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["UDP, bad length 7", "UDP, length 0"]


OTHER, OTHER_ETH = wire.ip("10.0.2.101"), wire.mac("52:55:0a:00:02:65")
FRAMES = {  # all of them to the guest, none answered
    "u53": udp_to_guest(port=53, source_port=2000, check=1),
    "u54": udp_to_guest(port=54, source_port=53, check=1),
    "other": wire.udp_frame(OTHER_ETH, GUEST_MAC, OTHER, GUEST_IP, 7, 54, b"other", check=1),
    "icmp": icmp_to_guest(99),
    "arp": wire.arp_frame(PEER_ETH, GUEST_MAC, 7, PEER, GUEST_IP),
    "ipv6": wire.ethernet(GUEST_MAC, PEER_ETH, 0x86DD, b"\0" * 46),
}


@pytest.mark.parametrize("words, expected", [
    ("", "u53 u54 other icmp arp ipv6"), ("udp", "u53 u54 other"), ("icmp", "icmp"), ("arp", "arp"),
    ("ip", "u53 u54 other icmp"), ("port 53", "u53 u54"), ("dst port 53", "u53"), ("src port 53", "u54"),
    ("host 10.0.2.101", "other"), ("host 10.0.2.100", "u53 u54 icmp arp"), ("udp host 10.0.2.100 and port 54", "u54"),
    ("not udp", "icmp arp ipv6"), ("arp not dst host 10.0.2.99", "arp"), ("not host 10.0.2.100 not port 7", "ipv6")])
def test_filters(wired, words, expected):
    """All frames once; then those that fit, again and again, until there are enough."""
    start(wired, f"-i {wired.card} -c 20 -w {DUMP} {words}")
    for frame in FRAMES.values():
        wired.send(frame)

    def enough():
        for name in expected.split():
            wired.send(FRAMES[name])
        return "tcpdump" not in wired.run("ps")

    wait_until(enough)
    captured = [bytes(packet) for packet in rdpcap(io.BytesIO(file_of(wired, DUMP)))]
    assert [name for name, frame in FRAMES.items() if frame in captured] == expected.split()


def test_loopback(wired):
    start(wired, f"-i lo -c 2 -w {DUMP}")
    wired.run("ping -c 1 127.0.0.1 > /dev/null")
    ended(wired)
    request, reply = rdpcap(io.BytesIO(file_of(wired, DUMP)))
    for packet, kind in ((request, 8), (reply, 0)):
        assert bytes(packet)[0] == 0x45 and bytes(packet)[20] == kind
        assert wire.checksum(bytes(packet)[20:]) == 0


def test_each_card_alone_and_all_together(boot):
    wired = wired_with(boot, cards=["virtio", "e1000"], smp=2)
    first, second = card_names(wired)
    wired.run(f"ifconfig {second} 10.0.3.15/24 up")
    start(wired, f"-i {second} -c 1 host 10.0.3.100 > /tmp/second")
    start(wired, "-c 4 icmp > /tmp/both")
    wired.ping()
    wired.run("ping -c 1 -W 1 10.0.3.100 > /dev/null")
    wired.ping()

    def both_ended():
        return wired.run("ps").count("tcpdump") == 0

    wait_until(both_ended)
    assert f" {second} Out ARP, Request who-has 10.0.3.100 tell 10.0.3.15" in wired.run("cat /tmp/second")
    lines = wired.run("cat /tmp/both").splitlines()
    assert len(lines) == 4 and all(f" {first} " in line for line in lines)


@pytest.mark.matrix(VIRTIO)
def test_listener_that_does_not_keep_up(wired):
    """What it prints goes into a pipe that nobody reads; every frame is served all the same, and what it missed is counted."""
    before = wired.counters()
    wired.console.send(f"tcpdump -i {wired.card} | nc -u -l 5555 > /dev/null &\n")
    wired.console.expect("listening on .*\n", 10)
    wired.settle()
    frames = [udp_to_guest(b"x" * 100)] * 500
    for _ in range(8):
        for frame in frames:
            wired.send(frame)
        wired.ping()
    after = wired.counters()
    assert after["udp", "no_port"] - before["udp", "no_port"] == 4000
    copied, missed = (after["capture", name] - before["capture", name] for name in ("copied", "missed"))
    assert missed > 0 and copied + missed >= 4000 + 16
    assert after["mbuf", "socket"] == before["mbuf", "socket"]


@pytest.mark.parametrize("arguments", ["-x", "-i nosuch", "-c 0", "-c 1x", "host", "host 1.2.3", "port x", "tcp", "src udp",
                                       "-w /no/such/folder"])
def test_bad_arguments(wired, arguments):
    assert "tcpdump: " in wired.run(f"tcpdump {arguments}")
