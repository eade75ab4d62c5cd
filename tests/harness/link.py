"""The cable between a guest and the test: one datagram on a socketpair is one Ethernet frame.

QEMU inherits one end (`-netdev dgram,local.type=fd`); a thread owns the other. It always reads while it
has something to send: QEMU's end holds only a few hundred frames, and a peer that blocks in send() while
QEMU does the same would stand still for ever. Frames leave in the order of send(). Every frame is
recorded, written to a pcap file, and, if it came from the guest, audited and passed to the attached hosts.

Tests look at the record: `frames` is the list, wait_for() waits for a frame that fits a condition. They
never sleep: that something is *not* answered is shown by a later frame that is.
"""

import collections
import os
import selectors
import socket
import struct
import sys
import threading
import time
from typing import NamedTuple

from .audit import audit
from .wire import describe

FROM_GUEST, TO_GUEST = "from guest", "to guest"
SOCKET_FRAMES = 1024  # more than a socket's buffer holds


class Record(NamedTuple):
    seconds: float  # since the link was made
    direction: str  # FROM_GUEST or TO_GUEST
    frame: bytes


class Pcap:
    """Writes the classic format that tshark and scapy read: microseconds, link type 1 (Ethernet)."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))

    def write(self, frame):
        now = time.time()
        self.file.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame)

    def close(self):
        self.file.close()


class Link:
    """handlers: functions of (frame), called in the link's thread for each frame from the guest. keep: record
    and audit the frames; a link that runs for hours, with a person at the other end, does not."""

    def __init__(self, pcap_path=None, guest_mac=None, keep=True):
        self.keep = keep
        self.guest_mac = guest_mac
        self.handlers = []
        self.frames = []  # of Record; append-only
        self.faults = []  # what audit() found, and exceptions of handlers
        self.started = time.monotonic()
        self._changed = threading.Condition()
        self._outgoing = collections.deque()
        self._pcap = Pcap(pcap_path) if pcap_path else None
        self._socket, self.far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._closing = False
        self._reads = self._writes = True  # pause() changes that
        self._asked = self._answered = 0  # how often _catch_up() was called, and is done
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._thread.start()

    def fileno_for_qemu(self):
        return self.far_end.fileno()

    def send(self, frame):
        """Queues a frame for the guest. Any thread."""
        self._outgoing.append(bytes(frame))
        if threading.current_thread() is not self._thread:
            self._wake()

    def pause(self, paused=True, sends=False):
        """While paused nothing is read: after some hundred frames QEMU's end is full, and the guest's transmit ring
        after that. Nor is anything sent, unless `sends` says so."""
        self._reads, self._writes = not paused, sends or not paused
        self._catch_up()

    def all_sent(self):
        """Whether nothing waits any more that send() was given."""
        return not self._outgoing

    def position(self):
        """Now, as an index into `frames`: what comes later is at or behind it. What the guest has sent already is read
        first, for the thread may be late on a busy machine, and the console's text ahead of it."""
        self._catch_up()
        return len(self.frames)

    def from_guest(self, since=0, until=None):
        return [record.frame for record in self.frames[since:until] if record.direction == FROM_GUEST]

    def wait_for(self, condition, since=0, timeout=5.0):
        """The first frame from the guest at or behind `since` for which condition(frame) is true (its
        value, if it is not just True). None when there was none in time."""
        deadline = time.monotonic() + timeout
        index = since
        with self._changed:
            while True:
                while index < len(self.frames):
                    record = self.frames[index]
                    index += 1
                    if record.direction == FROM_GUEST:
                        value = condition(record.frame)
                        if value:
                            return record.frame if value is True else value
                if not self._changed.wait(max(0, deadline - time.monotonic())):
                    return None

    def listing(self):
        """All frames, one line each."""
        return "".join(f"{r.seconds:9.4f} {r.direction:10} {describe(r.frame)}\n" for r in self.frames)

    def close(self):
        """Ends the thread. Idempotent."""
        if not self._closing:
            self._closing = True
            self._wake()
            self._thread.join(5)
            for end in (self._socket, self.far_end):
                end.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            if self._pcap:
                self._pcap.close()

    def _wake(self):
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def _record(self, direction, frame):
        if self.keep:
            with self._changed:
                self.frames.append(Record(time.monotonic() - self.started, direction, frame))
                self._changed.notify_all()
        if self._pcap:
            self._pcap.write(frame)

    def _run(self):
        selector = selectors.DefaultSelector()
        selector.register(self._wake_read, selectors.EVENT_READ)
        registered = 0
        while not self._closing:
            wanted = selectors.EVENT_READ if self._reads else 0
            if self._writes and self._outgoing:
                wanted |= selectors.EVENT_WRITE
            if wanted != registered:
                if registered:
                    selector.unregister(self._socket)
                if wanted:
                    selector.register(self._socket, wanted)
                registered = wanted
            for key, ready in selector.select():
                if key.fileobj == self._wake_read:
                    os.read(self._wake_read, 4096)
                    self._answer()
                    continue
                if ready & selectors.EVENT_READ and self._reads:
                    self._receive_all()
                if self._writes:
                    self._send_all()
        selector.close()

    def _catch_up(self):
        """Waits until the thread knows what has been asked of it, and has read what was there."""
        if threading.current_thread() is not self._thread and not self._closing:
            with self._changed:
                self._asked += 1
                asked = self._asked
                self._wake()
                self._changed.wait_for(lambda: self._answered >= asked or not self._thread.is_alive(), timeout=60)

    def _answer(self):
        """In the thread, the other end of _catch_up()."""
        asked = self._asked
        if asked == self._answered:
            return
        if self._reads:
            self._receive_all(SOCKET_FRAMES)
        with self._changed:
            self._answered = asked
            self._changed.notify_all()

    def _receive_all(self, most=sys.maxsize):
        for _ in range(most):
            try:
                frame = self._socket.recv(65536)
            except (BlockingIOError, ConnectionError):
                return
            for fault in audit(frame, self.guest_mac) if self.keep else ():
                self.faults.append(f"frame {len(self.frames)}: {fault}: {describe(frame)}")
            self._record(FROM_GUEST, frame)
            for handler in list(self.handlers):
                try:
                    handler(frame)
                except Exception as error:  # a bug of the harness must fail the test, not hang it
                    self.faults.append(f"harness: {error!r} on frame {len(self.frames) - 1}")

    def _send_all(self):
        while self._outgoing:
            try:
                self._socket.send(self._outgoing[0])
            except BlockingIOError:
                return
            except ConnectionError:  # QEMU is gone
                self._outgoing.clear()
                return
            self._record(TO_GUEST, self._outgoing.popleft())
