"""One measured machine: QEMU with a guest, and the peer at the other end of its cable.

    with Rig("build/kernel.elf", nic="virtio-mmio", smp=1) as rig:
        print(rig.ask("echo 64 8 10000")["rate"])

The peer (peer.c) listens on a unix stream socket in a folder of this run, QEMU connects to it. Everything has a
deadline, and both processes die with this one.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import qemu  # noqa: E402
from harness.evidence import BUILD  # noqa: E402

BENCH = BUILD / "bench"
PEER = BENCH / "peer"
PLUGIN = BENCH / "count.so"
MAC = qemu.GUEST_MACS[0]  # frames.c knows it, too
DEVICES = {"virtio-mmio": "virtio-net-device",
           "virtio-pci": "virtio-net-pci,disable-legacy=on,romfile=",
           "e1000": "e1000,romfile=",
           "e1000-unmitigated": "e1000,mitigation=off,romfile="}
NETWORK = "10.0.2.15/16"
PROMPT = r"^\$ "
BOOT_S = 30
ANSWER_S = 75  # longer than anything that peer.c waits for


def missing():
    """What keeps a measurement from running, as a text for people; None: nothing."""
    lacking = qemu.missing()
    for file in (PEER, PLUGIN, BENCH / "floor.elf"):
        if not lacking and not file.exists():
            lacking = f"{file} is missing: run make bench-programs first"
    return lacking


class Failed(Exception):
    """A measurement that could not be made; the text says why."""


class Unsupported(Failed):
    """The kernel has no driver for this card."""


class Rig:
    def __init__(self, kernel, nic="virtio-mmio", smp=1, bare=False, counters=None, options=()):
        """kernel: an ELF file. bare: it needs no disk and serves by itself, like the floor; otherwise a shell starts
        the program bench. counters: counts.Counters, to count what it executes. options: more of QEMU's."""
        self.folder = tempfile.TemporaryDirectory(prefix="rvnet-bench-")
        folder = Path(self.folder.name)
        self.console = qemu.Console()
        self.stderr = folder / "stderr"
        self.smp = smp
        self.qemu = self.peer = None
        # For a machine that can never have a second hart QEMU 7.2 translates fences to nothing, although its
        # own I/O thread runs beside the hart: then now and then a doorbell or an interrupt is lost for good.
        command = qemu.machine(f"{smp},maxcpus={max(smp, 2)}", kernel=kernel) + list(qemu.MODERN)
        command += ["-display", "none", "-monitor", "none",
                    "-chardev", f"socket,id=console,fd={self.console.far_end.fileno()}", "-serial", "chardev:console",
                    "-netdev", f"stream,id=n0,server=off,addr.type=unix,addr.path={folder}/link",
                    "-device", f"{DEVICES[nic]},netdev=n0,mac={MAC}"]
        if not bare:
            command += qemu.disk_options() + ["-append", f"net.*={NETWORK}"]
        if counters:
            command += counters.options(folder)
        command += options
        try:
            self._start(command, folder, bare)
        except BaseException:
            self.close()
            raise

    def _start(self, command, folder, bare):
        self.peer = subprocess.Popen([PEER, folder / "link"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     preexec_fn=qemu.end_with_parent)
        self._answer("listening", 10)
        with open(self.stderr, "wb") as stderr:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                         pass_fds=[self.console.far_end.fileno()], preexec_fn=qemu.end_with_parent)
        self.console.far_end.close()  # so that QEMU's end is the console's end
        if not bare:
            try:
                self.console.expect(PROMPT, BOOT_S)
            except AssertionError as failure:
                raise Failed(str(failure) + self._remains()) from None
            if NETWORK not in self.console.text.split("init:", 1)[-1]:
                raise Unsupported("the kernel finds no such card")
            self.console.send("bench &\n")
        self.ask("hello")

    def _answer(self, command, timeout=ANSWER_S):
        line, end = b"", time.monotonic() + timeout
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.peer.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self.peer.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise Failed(f"{command}: " + ("the peer ended" if ready else f"no answer within {timeout} s")
                             + self._remains())
            line += data
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{command}: {answer['error']}" + self._remains())
        return answer

    def _remains(self):
        """What the guest and QEMU said last."""
        code = self.qemu.poll() if self.qemu else None
        return (f"; QEMU {'runs' if code is None else f'ended with {code}'} and said "
                f"{self.stderr.read_text(errors='replace') if self.stderr.exists() else ''!r}; "
                f"the guest said {self.console.text[-600:]!r}")

    def begin(self, command):
        """Has the peer carry out a command; finish() waits for the answer."""
        self.peer.stdin.write(command.encode() + b"\n")
        self.peer.stdin.flush()

    def finish(self, command):
        return self._answer(command)

    def ask(self, command):
        self.begin(command)
        return self.finish(command)

    def place(self, together=False):
        """Gives each thread its cores, for measurements of time: where the host would put them changes by itself, stays so
        for seconds, and makes a factor of two. A hart has cores to itself; the peer has one, and QEMU's other thread
        another one or, of two, the peer's. Several harts may go everywhere, since two of them may be at work;
        together: as if there were one."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return
        os.sched_setaffinity(self.peer.pid, cores[:1])
        harts = cores[1:-1] or cores[1:] if self.smp == 1 or together else cores
        for thread in os.listdir(f"/proc/{self.qemu.pid}/task"):
            own = int(thread) == self.qemu.pid
            with contextlib.suppress(ProcessLookupError):  # those that serve the disk come and go
                os.sched_setaffinity(int(thread), (cores[2:][-1:] or cores[:1]) if own else harts)

    def close(self):
        for process in (self.qemu, self.peer):
            if process:
                process.kill()
                process.wait()
        if self.peer:
            self.peer.stdin.close()
            self.peer.stdout.close()
        self.console.close()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def boot_seconds(kernel, nic="virtio-mmio"):
    """From the start of QEMU to the shell's prompt."""
    console = qemu.Console()
    command = qemu.machine(1, kernel=kernel) + list(qemu.MODERN) + qemu.disk_options()
    command += ["-display", "none", "-monitor", "none", "-chardev",
                f"socket,id=console,fd={console.far_end.fileno()}", "-serial", "chardev:console",
                "-netdev", "user,id=n0,restrict=on", "-device", f"{DEVICES[nic]},netdev=n0,mac={MAC}"]
    begin = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[console.far_end.fileno()],
                               preexec_fn=qemu.end_with_parent)
    try:
        console.far_end.close()
        console.expect(PROMPT, BOOT_S)
        return time.monotonic() - begin
    except AssertionError as failure:
        raise Failed(str(failure)) from None
    finally:
        process.kill()
        process.wait()
        console.close()
