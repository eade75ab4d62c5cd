"""The matrix: the ways to run the same test, and which tests run on which of them.

{virtio on mmio, virtio on PCI, e1000} x {interrupt, polled} x {1 hart, 3 harts}, and for virtio each of these with the
event index and without. `make test-full` runs every test whose outcome the card can change on it: pytest.mark.matrix, on
the whole file (pytestmark) or on a test. The event index is turned off only where the rings matter: rings=True.
A test that cannot be on every card names those that it can be on: pytest.mark.cards(...). `make test` runs them on the
short list that the mark names, or once as they are.

On the whole matrix:
    test_matrix                        nettests, all of them (with `make test`, too)
    test_link_state, _recovery         cables, interfaces and devices that go down and up under traffic
    test_pressure, _arithmetic         rings that are full, floods, and that no frame is lost without a count
    test_several_cards                 one card of each kind, on the rows of the card "virtio"
On the matrix with the event index on (a few frames at a time: off, these tests would repeat what nettests show):
    test_wire_arp, _ip, _icmp, _udp    the protocols on the wire
    test_interfaces, _receive_mode     ifconfig and filters; not ifconfig's wrong arguments, which end above the card
    test_tcpdump                       what a card's frames look like; not filters and arguments, which end above it

Not on it, because the card has no say in them:
    test_boot, _disk, _console, _gdb, _usertests    start, disk, terminal, system calls (the sockets' ones by loopback)
    test_configuration                 how init reads net.conf
    test_nettests                      one nettest at a time, and peers that fail; all at once: test_matrix
    test_barriers, _build, _conformance, _evidence, _harness, _recorder_rules, _run    no guest at all, or any
Not on it, because they choose cards, modes and harts by themselves:
    test_nics, test_recorder
"""

from typing import NamedTuple

from harness.qemu import CARDS


class Configuration(NamedTuple):
    """A way to run a test: on which card, how it is served, and on how many harts."""
    card: str
    mode: str = "interrupt"  # or "polled"
    smp: int = 2
    event_index: bool = True

    def __str__(self):
        return f"{self.card}-{self.mode}-smp{self.smp}" + ("" if self.event_index else "-no-event-index")

    def apply(self, options):
        """Guest's options, with this configuration's where the test does not insist on its own cards."""
        options["smp"] = self.smp
        if self.mode == "polled":
            options["words"] = "polled " + options.get("words", "")
        cards = options.get("cards") or [self.card] * options.pop("nics", 1)
        if not self.event_index:
            cards = [f"{card},event_idx=off" if card.startswith("virtio") else card for card in cards]
        return {**options, "cards": cards}


MATRIX = [Configuration(card, mode, smp, event_index) for card in ("virtio", "virtio-pci", "e1000")
          for mode in ("interrupt", "polled") for smp in (1, 3) for event_index in (True, False)
          if event_index or card != "e1000"]
# For short lists.
EVERY_CARD = [Configuration(card) for card in CARDS]
VIRTIO = Configuration("virtio")
