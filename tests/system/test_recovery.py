"""Virtio network cards that break down under traffic: QEMU finds a descriptor that does not exist in the available ring, gives
the device up and sets DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2). The driver starts it anew, and the traffic goes on.

The test has the guest's memory mapped, and writes into the ring while the machine runs. (If it were stopped, frames that
come meanwhile would be received from within QEMU's own change of the device status, which then overwrites the bit.)
What the driver of the e1000 does when it hangs is shown on the host only (tests/unit/test_e1000.c): QEMU's does not."""

import mmap
import struct

import pytest

from configurations import Configuration
from harness.host import PORT_DISCARD
from load import Load, check_nothing_is_lost
from shell import Wired, card_names, wait_until

pytestmark = [pytest.mark.matrix(Configuration("virtio"), Configuration("virtio-pci"), rings=True),
              pytest.mark.cards("virtio", "virtio-pci")]

MEMORY = 128 << 20
RAM_START = 0x80000000
RECEIVE, TRANSMIT = 0, 1
NO_SUCH_DESCRIPTOR = struct.pack("<H", 0xBEEF)
BROKEN = r"Guest says index \d+ is available"  # QEMU's words
RING = 256


class Memory:
    """The guest's, as a file that QEMU and the test share."""

    def __init__(self, folder):
        self.path = folder / "memory"
        self.options = ["-object", f"memory-backend-file,id=ram,share=on,size={MEMORY},mem-path={self.path}",
                        "-machine", "memory-backend=ram"]
        with open(self.path, "wb") as file:
            file.truncate(MEMORY)
        with open(self.path, "r+b") as file:
            self.bytes = mmap.mmap(file.fileno(), MEMORY)

    def write(self, address, data):
        start = address - RAM_START
        self.bytes[start:start + len(data)] = data


@pytest.fixture
def wired(boot):
    memory = Memory(boot.evidence.path)
    shell = Wired(boot(options=memory.options, allow=[BROKEN]))
    memory.path.unlink()  # both have it open
    shell.memory = memory
    (shell.card,) = card_names(shell)
    shell.introduce()
    yield shell
    memory.bytes.close()


def break_ring(wired, queue):
    """The next chain that the device takes from this ring begins with a descriptor that does not exist: so do all in the
    available ring (2.7.6: flags, index, then the entries), which the driver writes anew when it starts the device."""
    monitor = wired.guest.monitor
    (path,) = [device["path"] for device in monitor.command("x-query-virtio") if device["name"] == "virtio-net"]
    status = monitor.command("x-query-virtio-queue-status", path=path, queue=queue)
    wired.memory.write(status["vring-avail"] + 4, NO_SUCH_DESCRIPTOR * status["vring-num"])


def wait_for_restart(wired):
    wired.console.expect(f"{wired.card}: reset after an error of the device", 10)
    wired.settle()


def test_receive_ring_under_traffic(wired):
    """Twice, more than a second apart, in the middle of echoes both ways. What comes in while the card is out of order is
    lost, as on any wire; what was to go out is counted. Link and address stay as they are, so nothing is announced."""
    load = Load(wired)
    quiet = wired.counters()
    for restarts in (1, 2):
        load.proceeds()
        break_ring(wired, RECEIVE)
        load.prime()
        wait_for_restart(wired)
        load.proceeds()
        assert wired.counters()[wired.card, "restarts"] == restarts
        wired.run("ping -c 2 10.0.2.100")  # a second: a card that breaks again at once is given up
    load.proceeds()
    load.end()
    check_nothing_is_lost(wired, quiet)
    counters, _, on_the_wire = wired.quiet_counters()
    assert counters[wired.card, "restarts"] == 2
    assert on_the_wire == counters[wired.card, "tx_packets"] - counters[wired.card, "tx_reset"]


def test_transmit_ring_that_is_full(wired):
    """The peer does not read, and a process waits for room. What was in the ring is counted, the rest arrives, and the
    process has noticed nothing."""
    chunk = 1472
    wired.run("cat" + " /bin/nettests" * 40 + " > /tmp/big")
    datagrams = -(-int(wired.run("wc -c /tmp/big").split()[0]) // chunk)
    quiet = wired.counters()
    wired.link.pause()
    wired.run(f"nc -u -w 5 10.0.2.100 {PORT_DISCARD} < /tmp/big &")

    def ring_full():
        return wired.counters()[wired.card, "tx_deferred"] > 0

    wait_until(ring_full)
    break_ring(wired, TRANSMIT)
    wired.link.pause(False)
    wait_for_restart(wired)

    def all_sent():
        return wired.counters()["udp", "sent"] - quiet["udp", "sent"] == datagrams

    wait_until(all_sent)
    wired.ping()
    after = wired.counters()
    lost = after[wired.card, "tx_reset"] - quiet[wired.card, "tx_reset"]
    assert after[wired.card, "restarts"] == 1
    assert RING / 2 < lost <= RING
    # The frame that QEMU had in its hands goes out although the device could not report it any more.
    assert wired.peer.discarded - (datagrams - lost) in (0, 1)
    assert (after["mbuf", "dev_queue"], after["mbuf", "socket"], after["mbuf", "stack"]) == (0, 0, 0)
    assert after["mbuf", "rx_ring"] == quiet["mbuf", "rx_ring"]
