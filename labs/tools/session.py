"""What a graded case works with: one guest, a scripted peer on its wire, and words for what went wrong.

A case sends frames, and says what must come back. Deadlines are rounds of the guest's life, not seconds: in a
round the guest's agent is asked for a word on the console and gives it. A guest that has lived through ROUNDS of
them without sending what it should has failed, however busy the machine is; the wall bounds are there for a guest
that hangs. What the guest prints never counts for anything else.
"""

import contextlib
import resource
import secrets
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import harness.qemu  # noqa: E402
from harness import recorder, rules, rules_e1000, rules_virtio  # noqa: E402
from harness import wire  # noqa: E402
from harness.demo import GATEWAY_IP, GATEWAY_MAC, PEER_IP, PEER_MAC  # noqa: E402
from harness.host import Host  # noqa: E402
from harness.judges import digest, pattern  # noqa: E402, F401
from harness.qemu import GUEST_MACS, Guest  # noqa: E402

GUEST, GUEST_MAC = wire.ip("10.0.2.15"), wire.mac(GUEST_MACS[0])
PEER, PEER_ETH = wire.ip(PEER_IP), wire.mac(PEER_MAC)
GATEWAY, GATEWAY_ETH = wire.ip(GATEWAY_IP), wire.mac(GATEWAY_MAC)
STRANGER, STRANGER_ETH = wire.ip("10.0.2.77"), wire.mac("52:55:0a:00:02:4d")
OTHER, OTHER_ETH = wire.ip("10.0.2.78"), wire.mac("52:55:0a:00:02:4e")
ZERO = b"\0" * 4

ROUNDS = 30
ROUND_SECONDS = 0.03      # the least a round lasts
HANG_SECONDS, HANG_WALL = 10, 90  # without a word: of which it ran or had nothing to do; and by the clock
CASE_WALL = 240
FRAMES_MAX, WIRE_MAX, CONSOLE_MAX = 300_000, 32 << 20, 4 << 20
QEMU_MEMORY, QEMU_FILE, QEMU_CPU = 6 << 30, 256 << 20, 180


_drawn = threading.local()  # a case runs in one thread


def forget():
    """At the beginning of a case: all numbers may be drawn again."""
    _drawn.left = {}


def fresh(low, high):
    """A random number, at least low and below high: none comes again before all others have been drawn, so that two
    of one case are never the same by chance."""
    left = _drawn.left.get((low, high)) or list(range(low, high))
    _drawn.left[low, high] = left
    return left.pop(secrets.randbelow(len(left)))


class Failure(Exception):
    """expected, got: texts. frame: the index of the frame in which the difference is; cause: a likely one."""

    def __init__(self, what, expected, got, frame=None, cause=None):
        super().__init__(f"{what}: expected {expected}, got {got}")
        self.what, self.expected, self.got, self.frame, self.cause = what, expected, got, frame, cause


def text_of(value):
    if isinstance(value, bytes):
        if len(value) == 6:
            return wire.mac_text(value)
        if len(value) == 4:
            return f"{wire.ip_text(value)} ({value.hex()})"
        return f"{len(value)} bytes {value[:32].hex()}"
    return str(value)


def is_announcement(frame):
    packet = wire.parse_arp(frame)
    return bool(packet and packet.sender_ip == packet.target_ip and packet.operation == wire.ARP_REQUEST)


def arp_reply_to(ip):
    return lambda f: bool((p := wire.parse_arp(f)) and p.operation == wire.ARP_REPLY and p.target_ip == ip)


def arp_request_for(ip):
    return lambda f: bool((p := wire.parse_arp(f)) and p.operation == wire.ARP_REQUEST and p.target_ip == ip
                          and p.sender_ip != ip)


def udp_to(port):
    return lambda f: bool((d := wire.parse_udp(f)) and d.destination_port == port)


def patched_kernel(target, values):
    """A copy of the kernel with other initial values of 64-bit variables, found by their symbols (ELF-64)."""
    image = bytearray((harness.qemu.BUILD / "kernel.elf").read_bytes())
    table, = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<HH", image, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, table + n * size) for n in range(count)]
    symbols = next(section for section in sections if section[1] == 2)
    names = sections[symbols[6]][4]
    wanted = dict(values)
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name_at, _, _, index, address, _ = struct.unpack_from("<IBBHQQ", image, at)
        name = image[names + name_at:image.index(0, names + name_at)].decode()
        if name in wanted and 0 < index < count:
            section = sections[index]
            struct.pack_into("<Q", image, section[4] + address - section[3], wanted.pop(name))
    if wanted:
        raise Failure("the kernel's variables", ", ".join(wanted), "none of that name")
    target.write_bytes(image)
    return target


class Session:
    def __init__(self, evidence, card="virtio", smp=1, nic="", hosts=True, patch=None,
                 record=False):
        """patch: {variable of the kernel: value that it starts with, 8 bytes}: shorter timeouts, for instance.
        record: QEMU notes every access to a device, for device_rules()."""
        forget()
        self.steps = []
        self.evidence = evidence
        self.step(f"boot with {card} on {smp} hart{'s' * (smp > 1)}")
        options = ["-kernel", str(patched_kernel(evidence.path / "kernel.elf", patch))] if patch else []
        self.log = evidence.path / "accesses"
        options += recorder.options(self.log) if record else []
        self.guest = Guest(evidence, run="labagent", smp=smp, deadline=CASE_WALL, cards=[card], nic=nic,
                           options=options)
        self._limit(self.guest.process.pid)
        self.link, self.console = self.guest.links[0], self.guest.console
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        self.reports = {}
        self.overrun = None
        if hosts:
            self.peer = Host(self.link, PEER_IP, PEER_MAC)
            self.gateway = Host(self.link, GATEWAY_IP, GATEWAY_MAC, forwards=True)
            self.report_port = self.peer.open(self._reported)
        self._boot(card)

    def close(self):
        self._done.set()
        self.guest.close()

    # --- life and limits ---

    def _limit(self, pid):
        resource.prlimit(pid, resource.RLIMIT_AS, (QEMU_MEMORY, QEMU_MEMORY))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (QEMU_FILE, QEMU_FILE))
        resource.prlimit(pid, resource.RLIMIT_CPU, (QEMU_CPU, QEMU_CPU + 5))

    def _watch(self):
        """A guest that floods wire or console costs its own case, not the grader's memory."""
        seen = size = 0
        while not self._done.wait(0.2):
            new = self.link.frames[seen:]
            seen, size = seen + len(new), size + sum(len(record.frame) for record in new)
            if seen > FRAMES_MAX or size > WIRE_MAX or len(self.console.text) > CONSOLE_MAX:
                self.overrun = "a flood of text" if len(self.console.text) > CONSOLE_MAX else "a flood of frames"
                self.guest.process.kill()
                return

    def _dead(self, what):
        text = self.console.text
        panic = next((line for line in text.splitlines() if "panic" in line), None)
        if self.overrun:
            raise Failure(what, "a guest that works", f"{self.overrun}, so it was ended")
        if panic:
            raise Failure(what, "a guest that works", f"the kernel stopped: {panic.strip()[:200]}",
                          cause="the console in the evidence folder shows where")
        if not self.guest.running():
            raise Failure(what, "a guest that works", "the machine ended by itself")
        raise Failure(what, "a guest that works", "silence on the console too: it hangs",
                      cause="a lock that is not released, a loop without an end, or a thread that is never woken")

    def _hindered(self):
        """For how many seconds the machine's busiest thread was kept waiting for a processor of this host."""
        delays = [0]
        for path in Path(f"/proc/{self.guest.process.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # the thread has ended, or this host does not count
                delays.append(int(path.read_text().split()[1]))
        return max(delays) / 1e9

    def _console(self, pattern, what):
        """Waits for the words, wherever in a line they begin: a kernel may print there too, without newlines. A guest
        that hangs costs HANG_SECONDS of its own time: a busy host's does not count."""
        start = self.console.position
        began, hindered = time.monotonic(), self._hindered()
        while True:
            try:
                self.console.position = start
                return self.console.expect(pattern, 1.0)
            except AssertionError:
                waited = time.monotonic() - began
                late = waited > HANG_WALL or waited - (self._hindered() - hindered) > HANG_SECONDS
                if late or self.overrun or not self.guest.running() or "panic" in self.console.text:
                    self._dead(what)

    def _boot(self, card):
        self._console(r"agent ready\n", "boot")
        if card == "e1000":
            self._card_listens()
        if hasattr(self, "peer"):
            first = self.command(f"report {self.report_port}")
            for _ in range(ROUNDS // 2):
                if first in self.reports:  # the peer is known to the guest now, so nothing waits for its address
                    break
                self.round()

    def _card_listens(self):
        """QEMU's e1000 takes in nothing for a second after it was set up: asks until it does."""
        answered = arp_reply_to(b"\x0a\0\2\xfa")
        for _ in range(100):
            self.link.send(wire.arp_frame(OTHER_ETH, wire.BROADCAST_MAC, wire.ARP_REQUEST, b"\x0a\0\2\xfa", GUEST))
            if self.link.wait_for(answered, 0, timeout=ROUND_SECONDS):
                return
            self.round()

    def _type(self, line, what):
        try:
            self.console.send(line + "\n")
        except OSError:  # the machine is ending, and its console has gone already
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.guest.process.wait(HANG_SECONDS)
            self._dead(what)

    def round(self):
        """One round of the guest's life: a word there and back."""
        started, word = time.monotonic(), secrets.token_hex(4)
        self._type(f"sync {word}", "a word on the console")
        self._console(rf"sync {word} ok\n", "a word on the console")
        time.sleep(max(0, ROUND_SECONDS - (time.monotonic() - started)))

    def rounds(self, count):
        for _ in range(count):
            self.round()

    # --- the story of the case ---

    def step(self, text):
        self.steps.append(text)

    def here(self):
        return self.link.position()

    def send(self, frame, text=None):
        self.step(f"send: {text or wire.describe(bytes(frame))}")
        self.link.send(bytes(frame))

    def index_of(self, frame, since=0):
        for index in range(since, len(self.link.frames)):
            if self.link.frames[index].frame is frame:
                return index
        return None

    # --- expectations ---

    def wait(self, what, condition, since, rounds=ROUNDS, cause=None, quiet=False):
        """The frame that fits; or a Failure, once the guest has lived through so many rounds without it."""
        if not quiet:
            self.step(f"expect: {what}")
        for _ in range(rounds):
            found = self.link.wait_for(condition, since, timeout=ROUND_SECONDS)
            if found is not None:
                return found
            self.round()
        found = self.link.wait_for(condition, since, timeout=0.3)
        if found is None:
            sent = [wire.describe(f) for f in self.link.from_guest(since) if not is_announcement(f)]
            raise Failure(what, "such a frame", f"none in {rounds} rounds; the guest sent "
                          + ("; ".join(sent[:4]) if sent else "nothing"), frame=since, cause=self.silence_cause() or cause)
        return found

    def fields(self, what, frame, expected, since=0, causes=()):
        """expected: {field: value}, compared with those of the frame (parsed, see wire.py) in order."""
        for field, value in expected.items():
            got = value_of(frame, field)
            if got != value:
                raise Failure(f"{what}, field {field}", text_of(value), text_of(got),
                              frame=self.index_of(frame, since), cause=dict(causes).get(field))

    def same(self, what, expected, got, cause=None, frame=None):
        if expected != got:
            raise Failure(what, text_of(expected), text_of(got), frame=frame, cause=cause)

    def at_least(self, what, least, got, cause=None):
        if got < least:
            raise Failure(what, f"{least} at least", text_of(got), cause=cause)

    def at_most(self, what, most, got, cause=None):
        if got > most:
            raise Failure(what, f"{most} at most", text_of(got), cause=cause)

    def ping(self, ip=PEER, mac=PEER_ETH, cause=None):
        """An echo request, whose reply shows that all frames before it have been dealt with."""
        since, mark = self.here(), secrets.token_bytes(4)
        payload = secrets.token_bytes(24)
        self.link.send(wire.icmp_frame(mac, GUEST_MAC, ip, GUEST, wire.ICMP_ECHO, 0, mark, payload))
        frame = self.wait(f"an echo reply to {wire.ip_text(ip)}", lambda f: bool(
            (m := wire.parse_icmp(f)) and m.kind == 0 and m.rest == mark), since, cause=cause)
        self.same("the echo reply's data", payload, wire.parse_icmp(frame).payload)
        return frame

    def arp_fence(self):
        """The same with an ARP request from an address used for nothing else: for labs without IP."""
        since = self.here()
        ip, mac = b"\x0a\0\2" + bytes([fresh(200, 240)]), b"\x52\x55" + secrets.token_bytes(4)
        self.link.send(wire.arp_frame(mac, wire.BROADCAST_MAC, wire.ARP_REQUEST, ip, GUEST))
        return self.wait("a reply to the ARP request that closes the step", arp_reply_to(ip), since)

    def answers(self, *frames, fence=None, text=None):
        """Sends frames and a fence behind them; what the guest sent until it answered that."""
        since = self.here()
        for frame in frames:
            self.send(frame, text)
        close = (fence or self.ping)()
        return [f for f in self.link.from_guest(since) if f is not close and f != close
                and not is_announcement(f)]

    def silence(self, what, *frames, fence=None, cause=None, text=None, allow=None):
        since = self.here()
        found = [f for f in self.answers(*frames, fence=fence, text=text) if not (allow and allow(f))]
        self.step(f"expect: no answer ({what})")
        if found:
            raise Failure(what, "no answer", wire.describe(found[0]), frame=self.index_of(found[0], since),
                          cause=cause)

    # --- the agent ---

    def _reported(self, datagram):
        nonce, _, rest = datagram.payload.decode("ascii", "replace").partition(" ")
        self.reports.setdefault(nonce, []).append(rest.split())

    def command(self, text):
        """Asks the agent for something; returns the nonce of its reports."""
        nonce = secrets.token_hex(6)
        if not text.startswith("report"):
            self.step(f"in the guest: {text}")
        self._type(f"{nonce} {text}", text)
        return nonce

    def report(self, nonce, count=1, what="the agent's report", rounds=ROUNDS, cause=None):
        """The first `count` reports under a nonce: lists of words, each a datagram that came by the wire."""
        since = self.here()
        for _ in range(rounds):
            if len(self.reports.get(nonce, [])) >= count:
                break
            self.round()
        got = self.reports.get(nonce, [])
        if len(got) < count:
            raise Failure(what, f"{count} by UDP", f"{len(got)} in {rounds} rounds", frame=since,
                          cause=self.silence_cause() or cause or "a datagram is not sent, or not as it should be")
        return got[:count]

    def silence_cause(self):
        """A likely cause if the guest has not got far enough for any other; else None."""
        sent = [f for f in self.link.from_guest() if not is_announcement(f)]
        if not sent:
            return "no frame has come from the guest, but for announcements: nothing is received, or nothing is sent"
        if all((p := wire.parse_arp(f)) and p.operation == wire.ARP_REQUEST for f in sent):
            return "nothing but ARP requests has come from the guest: what it is sent does not reach its stack"
        return None

    def ask(self, text, **options):
        return self.report(self.command(text), **options)[0]

    def number(self, text, **options):
        return int(self.ask(text, **options)[0])

    def good(self, text, expected=0, cause=None):
        self.same(f"the result of `{text}`", expected, self.number(text), cause=cause)

    def counters(self, *names):
        values = self.ask("counters " + " ".join(names), what="the kernel's counters")
        return dict(zip(names, map(int, values)))

    def counted(self, before, name, by=1, cause=None):
        self.grown(before, self.counters(name), name, by, cause or "the drop is not counted, or under another reason")

    def grown(self, before, after, name, by, cause):
        """counted(), for several counters that were read at once."""
        self.same(f"the counter {name} goes up by", by, after[name] - before[name], cause=cause)

    def device_rules(self, kind):
        """Ends the machine, and holds what its devices were told against the rules for drivers."""
        self.step(f"expect: the {kind} device was used as its specification says")
        self.guest.close()
        devices = recorder.read(self.log).devices
        cases = 0
        for rule in [*rules_virtio.rules.values(), *rules_e1000.rules.values()]:
            count, faults = rules.check(rule, [d for d in devices if d.kind == kind])
            cases += count
            if faults:
                raise Failure(rule.name.replace("_", " "), "no fault", faults[0],
                              cause=f"see {', '.join(rule.rows)} in tests/conformance.tsv")
        self.same("the rules were put to the test", True, cases > 0)

    MBUFS = ("mbuf.stack", "mbuf.arp_wait", "mbuf.socket", "mbuf.dev_queue", "mbuf.reassembly")

    def mbufs_held(self):
        """How many mbufs are neither free nor in a ring; the report's own is one of them."""
        return self.counters(*self.MBUFS)

    def no_leak(self, what, before, cause=None):
        for _ in range(10):
            after = self.mbufs_held()
            if all(after[name] <= before[name] for name in self.MBUFS):
                return
            self.round()
        for name in self.MBUFS:
            if after[name] > before[name]:
                self.same(f"{name} after {what}", before[name], after[name],
                          cause=cause or "a path that drops a frame does not free its mbuf")



PARSERS = {"arp": wire.parse_arp, "ip": wire.parse_ip, "udp": wire.parse_udp, "icmp": wire.parse_icmp}


def value_of(frame, field):
    """'arp.sender_ip', 'udp.payload', 'udp.packet.ttl', 'eth.destination'."""
    kind, *path = field.split(".")
    if kind == "eth":
        return {"destination": frame[0:6], "source": frame[6:12], "type": frame[12:14].hex()}[path[0]]
    value = PARSERS[kind](frame)
    for name in path:
        value = getattr(value, name) if value is not None else "not such a packet"
    return value
