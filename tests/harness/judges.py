"""One judge for each test of nettests: what the peer sends, and how it decides.

A judge is made when the guest begins a test. parameters() are the words of the answer; go() sends the
test's datagrams; verdict(proofs) raises Mismatch or returns. `self.seen` holds what came to the test's own
port, which is drawn at random, as are all secrets: so one run's frames prove nothing in another.
"""

import secrets
import struct

from . import wire
from .host import MAXIMUM_PAYLOAD

BURST = 64
BURST_KEPT_AT_LEAST = 16


class Mismatch(Exception):
    def __init__(self, expected, got):
        super().__init__(f"expected {expected}, got {got}")


def require(what, expected, got):
    if expected != got:
        raise Mismatch(f"{what} {_text(expected)}", _text(got))


def _text(value):
    if isinstance(value, bytes):
        return f"{len(value)} bytes {value[:24].hex()}" if value else "0 bytes"
    if isinstance(value, list):
        return f"[{', '.join(_text(item) for item in value)}]"
    return str(value)


def digest(data):
    """FNV-1a, 64 bits: how the guest tells in few bytes what it has received."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def pattern(session, size):
    """What the guest sends where it has to fill a datagram: byte i is session[i % 8] + i."""
    return bytes((session[i % 8] + i) & 255 for i in range(size))


class Judge:
    name = ""

    def __init__(self, host, guest, session, values):
        self.host, self.guest, self.session, self.values = host, guest, session, values
        self.seen = []
        self.port = host.open(self.received)
        self.ports = [self.port]

    def parameters(self):
        return {"port": self.port}

    def received(self, datagram):
        self.seen.append(datagram)

    def go(self):
        return None

    def verdict(self, proofs):
        raise NotImplementedError

    def close(self):
        for port in self.ports:
            self.host.close(port)

    def send(self, payload, guest_port, source_port=None, **fields):
        self.host.send_udp(self.guest, guest_port, payload, source_port or self.port, **fields)

    def payloads(self):
        return [datagram.payload for datagram in self.seen]


class Transmit(Judge):
    """One datagram comes out, unharmed and once."""

    def verdict(self, proofs):
        require("one datagram of", [self.session], self.payloads())


class Receive(Judge):
    """One datagram goes in; its contents come back in the proof."""

    def go(self):
        self.secret = secrets.token_bytes(16)
        self.send(self.secret, int(self.values["port"]))

    def verdict(self, proofs):
        require("received", self.secret.hex(), proofs["data"])


class Echo(Judge):
    """The guest's payload must arrive exactly. The answer has the same size, but is keyed, and comes from
    a port drawn at random: even of an empty datagram the guest can tell only what it has received."""
    size = 0

    def received(self, datagram):
        super().received(datagram)
        self.answer = secrets.token_bytes(len(datagram.payload))
        self.answer_port = self.host.unused_port()
        self.host.reply(datagram, self.answer, self.answer_port)

    def verdict(self, proofs):
        require("sent", [pattern(self.session, self.size)], self.payloads())
        require("a reply of bytes", self.size, int(proofs["length"]))
        require("a reply from port", self.answer_port, int(proofs["port"]))
        require("a reply with digest", digest(self.answer), proofs["digest"])


def echo_of(size):
    return type(f"Echo{size}", (Echo,), {"size": size})


class TooLong(Judge):
    """1473 bytes do not fit into 1500: EMSGSIZE, and nothing on the wire; then the most that fits."""

    def verdict(self, proofs):
        require("errno (EMSGSIZE)", 90, int(proofs["errno"]))
        require("on the wire", [pattern(self.session, MAXIMUM_PAYLOAD)], self.payloads())


class TwoPorts(Judge):
    """Datagrams to two ports, interleaved, stay apart and in order."""

    def go(self):
        self.a, self.b = ([secrets.token_bytes(8) for _ in range(3)] for _ in range(2))
        for first, second in zip(self.a, self.b):
            self.send(first, int(self.values["a"]))
            self.send(second, int(self.values["b"]))

    def verdict(self, proofs):
        require("at the first port", b"".join(self.a).hex(), proofs["a"])
        require("at the second port", b"".join(self.b).hex(), proofs["b"])


class Burst(Judge):
    """64 datagrams while nobody reads, and 64 more until some are dropped: the queue is bounded, keeps at
    least 16, the oldest, and the rest is counted."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent = []

    def go(self):
        for _ in range(BURST):
            self.sent.append(struct.pack(">I", len(self.sent)) + secrets.token_bytes(1020))
            self.send(self.sent[-1], int(self.values["port"]))

    def verdict(self, proofs):
        kept, dropped = int(proofs["kept"]), int(proofs["dropped"])
        if not BURST_KEPT_AT_LEAST <= kept < len(self.sent):
            raise Mismatch(f"{BURST_KEPT_AT_LEAST} or more datagrams kept, but not all {len(self.sent)}", kept)
        require(f"the digest of the oldest {kept}", digest(b"".join(self.sent[:kept])), proofs["digest"])
        require("counted as dropped", len(self.sent) - kept, dropped)


class Chain(Judge):
    """Echoes in order. Each message carries the token of the answer before it, so a message is proof that
    the answer was received. Message: session 8, stream 2, index 2, token 8; index `count` only proves the
    last answer. With `together`, the first answers wait until every stream has begun: all at once."""
    streams, count, together = 1, 1000, False
    FORMAT = ">8sHH8s"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.next = [0] * self.streams
        self.tokens = [b"\0" * 8] * self.streams
        self.waiting = []
        self.error = None

    def parameters(self):
        return {"port": self.port, "streams": self.streams, "count": self.count}

    def received(self, datagram):
        try:
            session, stream, index, token = struct.unpack(self.FORMAT, datagram.payload)
            if (session, index, token) != (self.session, self.next[stream], self.tokens[stream]):
                raise Mismatch(f"index {self.next[stream]} token {self.tokens[stream].hex()} of stream "
                               f"{stream}", f"index {index} token {token.hex()}")
        except (struct.error, IndexError, Mismatch) as error:
            self.error = self.error or error
            return
        self.next[stream] += 1
        if index == self.count:
            return
        self.waiting.append((datagram, stream, index))
        if not self.together or all(self.next):
            for held in self.waiting:
                self.answer(*held)
            self.waiting = []

    def answer(self, datagram, stream, index):
        self.tokens[stream] = secrets.token_bytes(8)
        self.host.reply(datagram, struct.pack(self.FORMAT, self.session, stream, index, self.tokens[stream]))

    def verdict(self, proofs):
        if self.error:
            raise self.error if isinstance(self.error, Mismatch) else Mismatch("a chain message", self.error)
        require("messages of each stream", [self.count + 1] * self.streams, self.next)


class TenProcesses(Chain):
    streams, count, together = 10, 20, True


class NoLeak(Chain):
    """The traffic is judged here; the counts of mbufs and pages only the guest can read."""
    streams, count = 4, 50

    def verdict(self, proofs):
        super().verdict(proofs)
        require("mbufs lost", 0, int(proofs["mbufs"]))
        require("pages lost", 0, int(proofs["pages"]))


class Connected(Judge):
    """A connected socket hears its peer only: neither another port nor another host."""

    def go(self):
        guest_port = int(self.values["port"])
        self.secret = secrets.token_bytes(16)
        self.send(secrets.token_bytes(16), guest_port, source_port=self.host.unused_port())
        self.send(secrets.token_bytes(16), guest_port, source=self.host.ip[:3] + b"\x65")
        self.send(self.secret, guest_port)

    def verdict(self, proofs):
        require("received", self.secret.hex(), proofs["data"])
        require("sent with send()", [self.session], self.payloads())


class Unconnected(Judge):
    """One socket hears two peers, knows who is who, and answers each."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.other_seen = []
        self.other_port = self.host.open(self.other_seen.append)
        self.ports.append(self.other_port)

    def go(self):
        self.secrets = secrets.token_bytes(16), secrets.token_bytes(16)
        self.send(self.secrets[0], int(self.values["port"]))
        self.send(self.secrets[1], int(self.values["port"]), source_port=self.other_port)

    def verdict(self, proofs):
        require("back at the first peer", [self.secrets[0]], self.payloads())
        require("back at the second peer", [self.secrets[1]],
                [datagram.payload for datagram in self.other_seen])


class BadChecksum(Judge):
    """A datagram with a wrong checksum is dropped and counted; one without any is taken (U5, U7)."""

    def go(self):
        guest_port = int(self.values["port"])
        bad, self.none, self.good = (secrets.token_bytes(16) for _ in range(3))
        right = wire.udp_checksum(self.host.ip, self.guest,
                                  wire.udp(self.host.ip, self.guest, self.port, guest_port, bad, check=0))
        self.send(bad, guest_port, check=right ^ 0x0101)
        self.send(self.none, guest_port, check=0)
        self.send(self.good, guest_port)

    def verdict(self, proofs):
        require("received", (self.none + self.good).hex(), proofs["data"])
        require("counted", 1, int(proofs["counted"]))


class Refused(Judge):
    """Of eight ports of the peer some are closed, and which is drawn: a connected socket must report
    ECONNREFUSED for exactly these."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.closed = secrets.randbelow(254) + 1  # a mask: neither none nor all
        self.targets = []
        for bit in range(8):
            closed = self.closed >> bit & 1
            port = self.host.unused_port() if closed else self.host.open(self.received)
            while port in self.targets:
                port = self.host.unused_port()
            self.targets.append(port)
            if not closed:
                self.ports.append(port)

    def parameters(self):
        return {"ports": ",".join(map(str, self.targets))}

    def verdict(self, proofs):
        closed = [port for bit, port in enumerate(self.targets) if self.closed >> bit & 1]
        refused = [d.destination_port for d in self.host.refused if d.payload == self.session]
        require("datagrams to closed ports", closed, refused)
        require("datagrams to open ports", 8 - len(closed), self.payloads().count(self.session))
        require("a mask of refused ports", f"{self.closed:02x}", proofs["refused"])


def unreachable_about(host, destination, destination_port, payload):
    """The port unreachable messages that quote such a datagram of ours (RFC 792; C3: quoted unchanged)."""
    found = []
    for message in host.errors:
        if message.code == wire.PORT_UNREACHABLE and len(message.payload) >= 28:
            header, ports = message.payload[:20], message.payload[20:28]
            if (header[12:20] == host.ip + destination and wire.checksum(header) == 0
                    and ports[2:4] == struct.pack(">H", destination_port)
                    and ports[4:6] == struct.pack(">H", 8 + len(payload))
                    and payload.startswith(message.payload[28:])):
                found.append(message)
    return found


class ClosedPort(Judge):
    """A datagram to a closed port of the guest is answered by ICMP port unreachable (U1, C3)."""

    def go(self):
        self.send(self.session, int(self.values["port"]))

    def verdict(self, proofs):
        errors = unreachable_about(self.host, self.guest, int(self.values["port"]), self.session)
        require("port unreachable messages", 1, len(errors))


class BroadcastSend(Judge):
    """Both forms of broadcast go out in link-layer broadcast frames, and only with SO_BROADCAST."""

    def verdict(self, proofs):
        require("errno without SO_BROADCAST (EACCES)", 13, int(proofs["errno"]))
        require("broadcasts", [self.session] * 2, self.payloads())
        require("to", [wire.ip_text(wire.BROADCAST_IP), wire.ip_text(self.host.subnet_broadcast)],
                [wire.ip_text(datagram.packet.destination) for datagram in self.seen])
        for datagram in self.seen:
            require("to Ethernet address", wire.mac_text(wire.BROADCAST_MAC),
                    wire.mac_text(datagram.packet.eth_destination))


class BroadcastReceive(Judge):
    """Both forms of broadcast are received."""

    def go(self):
        self.secrets = secrets.token_bytes(8), secrets.token_bytes(8)
        for address, secret in zip((wire.BROADCAST_IP, self.host.subnet_broadcast), self.secrets):
            self.host.send_udp(address, int(self.values["port"]), secret, self.port)

    def verdict(self, proofs):
        require("received", b"".join(self.secrets).hex(), proofs["data"])


class Dns(Judge):
    """The name exists since this session began, and its address was drawn then; another does not exist."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.question = f"h{secrets.token_hex(4)}.nettests.example"
        self.address = b"\x0a" + secrets.token_bytes(3)
        self.host.zone[self.question] = self.address

    def parameters(self):
        return {"name": self.question, "missing": f"x{secrets.token_hex(4)}.nettests.example"}

    def verdict(self, proofs):
        require("address", wire.ip_text(self.address), proofs["address"])
        require("answer code for a missing name (NXDOMAIN)", 3, int(proofs["code"]))

    def close(self):
        super().close()
        self.host.zone.pop(self.question, None)


class KillBlocked(Judge):
    """The first datagram shows that the process receives; it is killed in its next recvfrom(). Then its
    socket must be gone: the second datagram is answered by port unreachable."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.secrets = []

    def go(self):
        self.secrets.append(secrets.token_bytes(16))
        self.send(self.secrets[-1], int(self.values["port"]))

    def verdict(self, proofs):
        require("datagrams asked for", 2, len(self.secrets))
        require("received before the kill", self.secrets[0].hex(), proofs["data"])
        require("ending signal (SIGKILL)", 9, int(proofs["signal"]))
        errors = unreachable_about(self.host, self.guest, int(self.values["port"]), self.secrets[1])
        require("port unreachable messages", 1, len(errors))


ECHO_SIZES = (0, 1, 2, 333, 512, 1471, MAXIMUM_PAYLOAD)

# In the order in which nettests runs them.
JUDGES = {
    "tx": Transmit,
    "rx": Receive,
    **{f"echo-{size}": echo_of(size) for size in ECHO_SIZES},
    "too-long": TooLong,
    "two-ports": TwoPorts,
    "burst": Burst,
    "ten-processes": TenProcesses,
    "thousand": Chain,
    "connected": Connected,
    "unconnected": Unconnected,
    "bad-checksum": BadChecksum,
    "refused": Refused,
    "closed-port": ClosedPort,
    "broadcast-tx": BroadcastSend,
    "broadcast-rx": BroadcastReceive,
    "dns": Dns,
    "kill-blocked": KillBlocked,
    "no-leak": NoLeak,
}
