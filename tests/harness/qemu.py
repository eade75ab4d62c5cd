"""One run of QEMU: started, watched, ended, and everything it said kept.

    with Guest(evidence, run="nettests", smp=3) as guest:
        code = guest.wait(60)
        assert not guest.problems()

Each guest has its own sockets (inherited descriptors: no ports, no names that could clash), its own disk
overlay and its own deadline, after which it is killed. It dies with the process that started it.
A Link for each network interface carries raw frames; attach hosts to guest.links[0].
"""

import ctypes
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from .evidence import BUILD
from .link import Link
from .wire import mac

QEMU = os.environ.get("QEMU", "qemu-system-riscv64")
QEMU_VERSION = (7, 2)
GUEST_MACS = ("52:54:00:12:34:56", "52:54:00:12:34:57", "52:54:00:12:34:58")
MODERN = ("-global", "virtio-mmio.force-legacy=false")
# How the guest's network interfaces are attached. RVNET_NIC in the environment (make NIC=) names the one for tests
# that do not say. romfile: there is no firmware that could boot from the network.
CARDS = {"virtio": "virtio-net-device", "virtio-pci": "virtio-net-pci,romfile=", "e1000": "e1000,romfile=",
         "82545em": "e1000-82545em,romfile="}
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


@functools.cache
def version(program):
    """(major, minor) of a QEMU, or None if it does not say. Asked once: it takes as long as a tenth of a test."""
    first = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)\.(\d+)", first)
    return tuple(map(int, found.groups())) if found else None


def missing():
    """What keeps QEMU from running here, as a text for people; None: nothing."""
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed: Debian has it in the package qemu-system-misc (make deps)"
    found = version(QEMU)
    if found and found < QEMU_VERSION:
        return (f"{QEMU} is version {'.'.join(map(str, found))}, expected 7.2 or later: older ones lack "
                "-netdev dgram, which carries the frames")
    for file in ("kernel.elf", "fs.img"):
        if not (BUILD / file).exists():
            return f"{BUILD / file} is missing: run make first"
    return None


def end_with_parent():
    """For subprocess's preexec_fn: the child is killed when the thread that started it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def machine(smp, memory="128M", kernel=None):
    """The options that every way of running shares."""
    return [QEMU, "-machine", "virt", "-bios", "none", "-m", memory, "-smp", str(smp),
            "-kernel", str(kernel or BUILD / "kernel.elf")]


def disk_options(image=None, drive="", snapshot=True):
    """A virtio disk. snapshot: writes go to a temporary overlay and are gone afterwards."""
    image = image or BUILD / "fs.img"
    overlay = ",snapshot=on" if snapshot else ""
    return ["-drive", f"file={image},if=none,format=raw,id=disk0{overlay}{drive}",
            "-device", "virtio-blk-device,drive=disk0"]


class Console:
    """The guest's serial line: a thread reads all the time, so the guest never waits for the test."""

    def __init__(self):
        self.text = ""
        self.position = 0  # expect() looks behind it
        self._changed = threading.Condition()
        self._socket, self.far_end = socket.socketpair()
        self._closed = False
        self._reader = threading.Thread(target=self._read, name="console", daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                data = b""
            with self._changed:
                self._closed = self._closed or not data
                self.text += data.decode("utf-8", "replace").replace("\r", "")
                self._changed.notify_all()
            if not data:
                return

    def send(self, text):
        self._socket.sendall(text.encode())

    def expect(self, pattern, timeout=10.0):
        """Waits until the regular expression matches behind the last match; returns the match. Raises
        AssertionError with what was there instead."""
        regex = re.compile(pattern, re.M)
        match = self._wait(lambda: regex.search(self.text, self.position), repr(pattern), timeout)
        self.position = match.end()
        return match

    def until(self, word, timeout=10.0):
        """Waits for this very text behind the last match; returns what stands before it. A long output comes in
        many pieces, so what has been looked at is not looked at again."""
        looked = self.position

        def find():
            nonlocal looked
            found = self.text.find(word, looked)
            looked = max(looked, len(self.text) - len(word) + 1)
            return found + 1  # 0: not there

        end = self._wait(find, repr(word), timeout) - 1
        output = self.text[self.position:end]
        self.position = end + len(word)
        return output

    def _wait(self, look, what, timeout):
        """Calls look() after each change, until it returns something true; returns that."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = look()
                if found:
                    return found
                left = deadline - time.monotonic()
                if self._closed or left <= 0 or not self._changed.wait(left):
                    end = "the end of the console" if self._closed else f"nothing within {timeout} s"
                    raise AssertionError(f"console: expected {what}, got {end} behind: "
                                         f"{self.text[self.position:][-600:]!r}")

    def drain(self):
        """Once QEMU has ended: waits until its last words have been read, too."""
        self._reader.join(5)

    def close(self):
        self._socket.close()


class Monitor:
    """QEMU's own control connection (QMP): one JSON object a line, each way."""

    def __init__(self):
        self._socket, self.far_end = socket.socketpair()
        self._socket.settimeout(10)
        self._answers = self._socket.makefile("r")
        self._ready = False

    def command(self, name, /, **arguments):
        """Runs a command and returns what it returned; AssertionError if QEMU refuses it."""
        if not self._ready:  # QEMU greets, and wants its greeting answered
            self._answers.readline()
            self._ready = True
            self.command("qmp_capabilities")
        self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            line = self._answers.readline()
            assert line, f"QEMU: {name}: the connection was closed"
            answer = json.loads(line)
            assert "error" not in answer, f"QEMU: {name} {arguments}: {answer['error']['desc']}"
            if "return" in answer:  # else an event
                return answer["return"]

    def set_link(self, number, up):
        """The cable of one of the guest's network interfaces."""
        self.command("set_link", name=f"n{number}", up=up)

    def close(self):
        self._answers.close()
        self._socket.close()


class Guest:
    def __init__(self, evidence, run=None, smp=1, nics=1, disk=None, options=(), modern=True, deadline=60,
                 memory="128M", nic="", cards=None, words=""):
        """run: the command of a scripted run, after which the guest powers off with its exit code; None: a
        shell. nics: how many network interfaces; nic: more properties of each; cards: the kind of each (CARDS),
        and properties of its own behind a comma.
        disk: other options in place of disk_options(). options: more of them. modern: virtio version 2.
        deadline: seconds until QEMU is killed.
        words: for the kernel's command line."""
        self.evidence = evidence
        self.console = Console()
        self.monitor = Monitor()
        cards = cards or [os.environ.get("RVNET_NIC", "virtio")] * nics
        self.links = [Link(evidence.path / f"nic{n}.pcap", mac(GUEST_MACS[n])) for n in range(len(cards))]
        self.timed_out = False
        self.code = None
        self.notes = []  # problems that somebody else found
        command = machine(smp, memory) + list(MODERN if modern else ())
        command += ["-display", "none", "-monitor", "none", "-chardev",
                    f"socket,id=console,fd={self.console.far_end.fileno()}", "-serial", "chardev:console",
                    "-chardev", f"socket,id=monitor,fd={self.monitor.far_end.fileno()}",
                    "-mon", "chardev=monitor,mode=control",
                    "-d", "guest_errors", "-D", str(evidence.path / "qemu.log")]
        command += disk_options() if disk is None else list(disk)
        for n, link in enumerate(self.links):
            kind, *properties = cards[n].split(",")
            device = ",".join([CARDS[kind], f"netdev=n{n}", f"mac={GUEST_MACS[n]}{nic}", *properties])
            command += ["-netdev", f"dgram,id=n{n},local.type=fd,local.str={link.fileno_for_qemu()}",
                        "-device", device]
        if run is not None:
            words = f"{words} run={run}"
        if words:
            command += ["-append", words.strip()]
        command += list(options)
        evidence.write("command", subprocess.list2cmdline(command) + "\n")
        descriptors = [end.far_end.fileno() for end in [*self.links, self.console, self.monitor]]
        with open(evidence.path / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            pass_fds=descriptors, preexec_fn=end_with_parent)
        self.console.far_end.close()  # so that QEMU's end is the console's end
        self.monitor.far_end.close()
        self._timer = threading.Timer(deadline, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _expire(self):
        self.timed_out = True
        self.process.kill()

    def wait(self, timeout):
        """QEMU's exit code; AssertionError if it does not end in time."""
        try:
            self.code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"QEMU: expected an end within {timeout} s, got none") from None
        self.console.drain()
        return self.code

    def running(self):
        return self.process.poll() is None

    def close(self):
        """Ends QEMU if it still runs, and writes the evidence. Idempotent."""
        self._timer.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.console.drain()
        for n, link in enumerate(self.links):
            link.close()
            self.evidence.write(f"nic{n}.frames", link.listing())
        self.console.close()
        self.monitor.close()
        self.evidence.write("console", self.console.text)

    def problems(self, allow=()):
        """Everything that must not happen in any run, as texts. allow: regular expressions of what this
        test provokes."""
        found = list(self.notes)
        if self.timed_out:
            found.append("QEMU was killed at the test's deadline")
        for file in ("qemu.log", "stderr"):
            path = self.evidence.path / file
            if path.exists():
                found += [f"{file}: {line}" for line in path.read_text(errors="replace").splitlines() if line]
        found += [f"console: {line}" for line in self.console.text.splitlines() if re.search(r"\bpanic\b", line)]
        for n, link in enumerate(self.links):
            found += [f"nic{n}: {fault}" for fault in link.faults]
        return [text for text in found if not any(re.search(pattern, text) for pattern in allow)]
