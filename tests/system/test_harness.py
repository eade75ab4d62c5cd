"""The harness against itself, without a kernel: frames against scapy, the link under load, the peer's
services, and above all that a guest which only says "OK" does not pass."""

import socket
import stat
import sys
import time

import pytest
import scapy.layers.inet as inet
import scapy.layers.l2 as l2
from scapy.layers.dns import DNS, DNSQR
from scapy.packet import Raw

from harness import demo, qemu, wire
from harness.audit import audit
from harness.control import Control, PORT_CONTROL
from harness.evidence import Evidence
from harness.host import Host
from harness.judges import JUDGES, digest, pattern
from harness.link import Link

GUEST_MAC, GUEST_IP = wire.mac("52:54:00:12:34:56"), wire.ip("10.0.2.15")
PEER_MAC, PEER_IP = wire.mac(demo.PEER_MAC), wire.ip(demo.PEER_IP)


class FakeGuest:
    """Sits where QEMU would and speaks UDP, at once and without a stack."""

    def __init__(self, link):
        self.socket = link.far_end
        self.socket.settimeout(2)
        self.sequence = 0

    def send(self, source_port, port, payload, **fields):
        self.socket.send(wire.udp_frame(GUEST_MAC, PEER_MAC, GUEST_IP, PEER_IP, source_port, port, payload,
                                        **fields))

    def receive(self):
        return self.socket.recv(2048)

    def request(self, text):
        self.sequence += 1
        self.send(4000, PORT_CONTROL, f"{self.sequence} {text}".encode())
        while True:
            answer = wire.parse_udp(self.receive())
            if answer and answer.source_port == PORT_CONTROL:
                sequence, _, words = answer.payload.decode().partition(" ")
                assert int(sequence) == self.sequence
                return words

    def begin(self, name, words=""):
        answer = self.request(f"begin {name} {words}")
        assert answer.startswith("ok ")
        return dict(word.split("=") for word in answer.split()[1:])


@pytest.fixture
def wired():
    link = Link(guest_mac=GUEST_MAC)
    peer = Host(link, demo.PEER_IP, demo.PEER_MAC)
    guest = FakeGuest(link)
    guest.peer, guest.link, guest.control = peer, link, Control(peer)
    yield guest
    link.close()


# --- wire.py against scapy ---


@pytest.mark.parametrize("size", [0, 1, 2, 3, 511, 1472])
def test_udp_frames_are_scapys(size):
    payload = bytes(i * 7 & 255 for i in range(size))
    ours = wire.udp_frame(GUEST_MAC, PEER_MAC, GUEST_IP, PEER_IP, 1234, 7, payload, identification=99)
    theirs = bytes(l2.Ether(src=GUEST_MAC.hex(":"), dst=PEER_MAC.hex(":"))
                   / inet.IP(src="10.0.2.15", dst="10.0.2.100", id=99, flags="DF")
                   / inet.UDP(sport=1234, dport=7) / Raw(payload))
    assert ours == theirs
    assert audit(ours, GUEST_MAC) == []
    assert wire.parse_udp(ours).payload == payload


def test_udp_checksum_of_zero_is_sent_as_ones():
    segment = wire.udp(GUEST_IP, PEER_IP, 1, 2, b"\0\0")
    total = int.from_bytes(segment[6:8], "big")
    # The payload that makes the sum come out as 0xffff, so that its complement is 0.
    assert wire.udp(GUEST_IP, PEER_IP, 1, 2, total.to_bytes(2, "big"))[6:8] == b"\xff\xff"


def test_arp_and_icmp_frames_are_scapys():
    ours = wire.arp_frame(GUEST_MAC, wire.BROADCAST_MAC, wire.ARP_REQUEST, GUEST_IP, PEER_IP)
    theirs = l2.Ether(src=GUEST_MAC.hex(":"), dst="ff:ff:ff:ff:ff:ff") / l2.ARP(
        op=1, hwsrc=GUEST_MAC.hex(":"), psrc="10.0.2.15", pdst="10.0.2.100")
    assert ours == bytes(theirs)
    ours = wire.icmp_frame(GUEST_MAC, PEER_MAC, GUEST_IP, PEER_IP, 8, 0, b"\0\1\0\2", b"abc")
    theirs = l2.Ether(src=GUEST_MAC.hex(":"), dst=PEER_MAC.hex(":")) / inet.IP(
        src="10.0.2.15", dst="10.0.2.100", id=0, flags="DF") / inet.ICMP(id=1, seq=2) / Raw(b"abc")
    assert ours == bytes(theirs)


def guest_frame(**fields):
    return wire.udp_frame(GUEST_MAC, PEER_MAC, GUEST_IP, PEER_IP, 5, 6, b"data", **fields)


@pytest.mark.parametrize("frame, fault", [
    (b"short", "L1"),
    (guest_frame(header_checksum=0x1234), "I2"),
    (guest_frame(check=0x1234), "U4"),
    (guest_frame(check=0), "U4"),
    (guest_frame(length=5), "U10"),
    (guest_frame(ttl=0), "I11"),
    (guest_frame(version=5), "I1"),
    (guest_frame(flags_offset=0x2000), "F5"),
    (wire.udp_frame(PEER_MAC, PEER_MAC, GUEST_IP, PEER_IP, 5, 6, b""), "L1"),
    (wire.udp_frame(GUEST_MAC, PEER_MAC, b"\x7f\0\0\1", PEER_IP, 5, 6, b""), "I7"),
    (wire.udp_frame(GUEST_MAC, PEER_MAC, b"\xff" * 4, PEER_IP, 5, 6, b""), "I6"),
    (wire.udp_frame(GUEST_MAC, wire.BROADCAST_MAC, GUEST_IP, PEER_IP, 5, 6, b""), "B2"),
    (wire.icmp_frame(GUEST_MAC, PEER_MAC, GUEST_IP, PEER_IP, 0, 0, b"1234", b"", check=1), "C2"),
    (wire.arp_frame(GUEST_MAC, wire.BROADCAST_MAC, wire.ARP_REPLY, GUEST_IP, PEER_IP), "A2"),
    (wire.arp_frame(GUEST_MAC, PEER_MAC, wire.ARP_REQUEST, GUEST_IP, PEER_IP, hardware=6), "A1"),
    (wire.ethernet(PEER_MAC, GUEST_MAC, 0x86DD, b"\0" * 46), "L1"),
])
def test_audit_names_the_broken_rule(frame, fault):
    assert any(fault in text for text in audit(frame, GUEST_MAC)), audit(frame, GUEST_MAC)


@pytest.mark.parametrize("one, other", [
    (b"short", b"shorter"),
    (guest_frame() + bytes(1500), guest_frame() + bytes(1501)),
    (guest_frame(check=0x1234), guest_frame(check=0x1235)),
    (PEER_MAC + PEER_MAC + guest_frame()[12:], PEER_MAC + b"\2" + PEER_MAC[1:] + guest_frame()[12:]),
    (PEER_MAC + GUEST_MAC + b"\x86\xdd", PEER_MAC + GUEST_MAC + b"\x88\xcc"),
    (wire.arp_frame(GUEST_MAC, PEER_MAC, 3, GUEST_IP, PEER_IP), wire.arp_frame(GUEST_MAC, PEER_MAC, 4, GUEST_IP, PEER_IP)),
    (wire.udp_frame(GUEST_MAC, PEER_MAC, b"\xe0\0\0\1", PEER_IP, 5, 6, b""),
     wire.udp_frame(GUEST_MAC, PEER_MAC, b"\xe0\0\0\2", PEER_IP, 5, 6, b"")),
])
def test_audit_says_what_kind_of_fault_it_is_the_same_in_every_frame(one, other):
    """Before the first colon: the graders take points for a kind once."""
    kinds = [[text.partition(":")[0] for text in audit(frame, GUEST_MAC)] for frame in (one, other)]
    assert kinds[0] == kinds[1] != []


def test_faults_of_the_guest_are_recorded_by_the_link(wired):
    wired.send(1, 9, b"x", check=0x0bad)
    assert wired.link.wait_for(lambda frame: True)
    wired.request("hello")
    assert len(wired.link.faults) == 1 and "U4" in wired.link.faults[0]


# --- link.py and host.py ---


def test_position_is_behind_what_the_guest_has_sent():
    """However late the link's thread is: a frame from before does not count as one that came after. A link that is
    paused, or closed, reads nothing."""
    link = Link()
    frame = wire.arp_frame(GUEST_MAC, wire.BROADCAST_MAC, wire.ARP_REQUEST, GUEST_IP, PEER_IP)
    for count in range(1, 301):
        link.far_end.send(frame)
        assert link.position() == count
    link.pause()
    link.far_end.send(frame)
    assert link.position() == 300
    link.pause(False)
    assert link.position() == 301
    link.close()
    assert link.position() == 301


def test_link_reads_while_it_sends():
    """Both sides send more than the sockets hold; a side that only sends would stand still."""
    link = Link()
    count, size = 3000, 1500
    for _ in range(count):
        link.send(b"\1" * size)
    link.far_end.settimeout(10)
    for _ in range(count):
        link.far_end.send(b"\2" * size)
    assert all(len(link.far_end.recv(2000)) == size for _ in range(count))
    assert link.wait_for(lambda frame: len(link.from_guest()) == count, since=count) is not None
    link.close()


def test_host_answers_arp_and_ping(wired):
    wired.socket.send(wire.arp_frame(GUEST_MAC, wire.BROADCAST_MAC, wire.ARP_REQUEST, GUEST_IP, PEER_IP))
    reply = wire.parse_arp(wired.receive())
    assert (reply.operation, reply.sender_mac, reply.eth_destination) == (2, PEER_MAC, GUEST_MAC)
    wired.socket.send(wire.icmp_frame(GUEST_MAC, PEER_MAC, GUEST_IP, PEER_IP, 8, 0, b"abcd", b"ping"))
    echo = wire.parse_icmp(wired.receive())
    assert (echo.kind, echo.rest, echo.payload) == (0, b"abcd", b"ping")


def test_host_echo_closed_port_and_silence_about_broadcasts(wired):
    wired.send(1234, 7, b"hello")
    assert wire.parse_udp(wired.receive()).payload == b"hello"
    wired.socket.send(wire.udp_frame(GUEST_MAC, wire.BROADCAST_MAC, GUEST_IP, wire.BROADCAST_IP, 1, 4444, b"x"))
    wired.send(1234, 4444, b"nobody")
    error = wire.parse_icmp(wired.receive())
    assert (error.kind, error.code) == (3, 3)
    quoted = wire.ethernet(PEER_MAC, GUEST_MAC, 0x0800, error.payload + b"nobody")
    assert wire.parse_udp(quoted).destination_port == 4444


def test_dns_server_answers_as_scapy_reads_it(wired):
    wired.peer.zone["a.example"] = b"\x0a\1\2\3"
    for name, code, address in (("a.example", 0, "10.1.2.3"), ("b.example", 3, None)):
        wired.send(1234, 53, bytes(DNS(id=77, rd=1, qd=DNSQR(qname=name))))
        answer = DNS(wire.parse_udp(wired.receive()).payload)
        assert (answer.id, answer.qr, answer.rcode, answer.ancount) == (77, 1, code, 1 if address else 0)
        assert answer.qd.qname.decode() == name + "."
        assert address is None or answer.an.rdata == address


@pytest.mark.parametrize("query", [b"", b"\0" * 12, b"\0\1\1\0\0\1" + b"\0" * 6 + b"\x3fabc", b"\xff" * 40])
def test_dns_server_survives_nonsense(wired, query):
    wired.send(1234, 53, query)
    assert wired.request("hello").startswith("ok")
    assert wired.link.faults == []


# --- control.py and judges.py ---


def test_repeated_request_has_one_effect(wired):
    for _ in range(2):
        wired.send(4000, PORT_CONTROL, b"same begin tx")
    first, second = (wire.parse_udp(wired.receive()).payload for _ in range(2))
    assert first == second and wired.control.begun == ["tx"]


def test_honest_guest_passes_tx(wired):
    words = wired.begin("tx")
    wired.send(1, int(words["port"]), bytes.fromhex(words["session"]))
    assert wired.request(f"end {words['session']}") == "ok"
    assert wired.control.failures(["tx"]) == {}


def test_honest_guest_passes_echo(wired):
    words = wired.begin("echo-2")
    wired.send(1, int(words["port"]), pattern(bytes.fromhex(words["session"]), 2))
    reply = wire.parse_udp(wired.receive())
    answer = wired.request(f"end {words['session']} length=2 port={reply.source_port} "
                           f"digest={digest(reply.payload)}")
    assert answer == "ok"


def test_yesterdays_datagram_is_no_proof(wired):
    words = wired.begin("tx")
    wired.send(1, int(words["port"]), b"\0" * 8)
    assert wired.request(f"end {words['session']}").startswith("fail expected")
    assert "tx" in wired.control.failures(["tx"])


LIES = ("data=00112233445566778899aabbccddeeff a=00 b=00 errno={errno} length=0 port=7 kept=16 dropped=48 "
        "digest=cbf29ce484222325 counted=1 refused=0f address=10.0.0.1 code=3 signal=9 mbufs=0 pages=0")


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("asks", [False, True], ids=["silent", "asks for the datagrams"])
def test_invented_proofs_do_not_pass(wired, name, asks):
    """A guest that knows the protocol but sends and receives nothing else."""
    words = wired.begin(name, "port=5000 a=5000 b=5001")
    if asks:
        wired.request(f"go {words['session']}")
        wired.request(f"go {words['session']}")
    lies = LIES.format(errno=90 if name == "too-long" else 13)
    answer = wired.request(f"end {words['session']} {lies}")
    assert answer.startswith("fail "), answer
    assert name in wired.control.failures([name])


FAKE_QEMU = f"""#!{sys.executable}
import re, socket, sys
console = socket.socket(fileno=int(re.search(r"id=console,fd=(\\d+)", " ".join(sys.argv)).group(1)))
console.sendall(b"".join(name.encode() + b": OK\\n" for name in {list(JUDGES)!r}) + {{extra!r}})
sys.exit(0)
"""


def fake_run(tmp_path, monkeypatch, extra=b""):
    program = tmp_path / "qemu"
    program.write_text(FAKE_QEMU.format(extra=extra))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(qemu, "QEMU", str(program))
    return judged(tmp_path, 20)


def judged(tmp_path, timeout):
    evidence = Evidence(f"fake-{tmp_path.name}", "none")
    try:
        return demo.run_nettests(evidence, timeout=timeout)
    finally:
        evidence.finish(None)


def test_a_kernel_that_prints_ok_fails(tmp_path, monkeypatch):
    """The whole chain, with a program in place of QEMU that prints "NAME: OK" for every test."""
    results, words, _ = fake_run(tmp_path, monkeypatch)
    assert set(words.values()) == {"OK"}
    assert len(results) == len(JUDGES) and all(results.values())


def test_panic_is_a_problem(tmp_path, monkeypatch):
    _, _, problems = fake_run(tmp_path, monkeypatch, b"panic: bad thing\n")
    assert any("panic" in text for text in problems)


def test_hanging_qemu_is_killed_at_its_deadline(tmp_path, monkeypatch):
    program = tmp_path / "qemu"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    program.chmod(0o755)
    monkeypatch.setattr(qemu, "QEMU", str(program))
    started = time.monotonic()
    _, _, problems = judged(tmp_path, 1)
    assert time.monotonic() - started < 10
    assert any("deadline" in text for text in problems)


def test_old_qemu_is_named(tmp_path, monkeypatch):
    """`make grade` looks at nothing else before it starts one."""
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\necho QEMU emulator version 6.2.0\n")
    program.chmod(0o755)
    monkeypatch.setattr(qemu, "QEMU", str(program))
    assert "is version 6.2, expected 7.2 or later" in qemu.missing()


def test_evidence_is_kept_only_for_failures():
    evidence = Evidence("harness self-test [x/y]", "true")
    assert evidence.path.is_dir() and evidence.path.name == "harness_self-test_x_y"
    assert evidence.finish(None) is None and not evidence.path.exists()
    evidence = Evidence("harness self-test", "true")
    kept = evidence.finish("expected 1, got 2")
    assert (kept / "why").read_text() == "expected 1, got 2\n"
    assert (kept / "rerun").read_text() == "true\n"
    evidence.finish(None)


def test_pcap_is_readable(tmp_path):
    from scapy.utils import rdpcap
    link = Link(tmp_path / "x.pcap")
    frame = guest_frame()
    link.send(frame)
    link.far_end.settimeout(2)
    assert link.far_end.recv(2000) == frame
    link.far_end.send(frame)
    assert link.wait_for(lambda f: f == frame)
    link.close()
    assert [bytes(packet) for packet in rdpcap(str(tmp_path / "x.pcap"))] == [frame, frame]


def test_socketpairs_are_the_kernels_limits():
    """The link counts on datagram socketpairs that take a whole frame."""
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    a.send(b"\0" * 2030)
    assert len(b.recv(4096)) == 2030
