"""Which frames a card lets through: its own, broadcasts, all groups', everything. For every kind of card."""

import pytest

from harness import wire
from configurations import EVERY_CARD
from shell import PEER_ETH, Wired, card_names, udp_to_guest

pytestmark = pytest.mark.matrix(*EVERY_CARD)

OTHERS = wire.ethernet(wire.mac("52:54:00:99:99:99"), PEER_ETH, 0x88B5, b"to another station" + b"\0" * 40)
GROUPS = wire.ethernet(wire.mac("01:00:5e:01:02:03"), PEER_ETH, 0x88B5, b"to a group" + b"\0" * 40)
BROADCAST = wire.ethernet(b"\xff" * 6, PEER_ETH, 0x88B5, b"to all" + b"\0" * 40)


@pytest.fixture
def wired(boot):
    shell = Wired(boot())
    (shell.card,) = card_names(shell)
    shell.introduce()
    return shell


def seen(wired):
    """How many of five frames of each kind reach the guest: others', groups', broadcasts."""
    result = []
    for frame in (OTHERS, GROUPS, BROADCAST):
        before = wired.counters()
        assert wired.answers(*[frame] * 5) == []
        after = wired.counters()
        assert after[wired.card, "rx_packets"] - before[wired.card, "rx_packets"] == \
            sum(after["ether", name] - before["ether", name] for name in ("not_for_us", "unknown_type")) + 1
        result.append(after[wired.card, "rx_packets"] - before[wired.card, "rx_packets"] - 1)
    return result


def test_modes(wired):
    assert seen(wired) == [0, 0, 5]
    wired.run(f"ifconfig {wired.card} promisc")
    assert "promisc" in wired.run(f"ifconfig {wired.card}")
    assert seen(wired) == [5, 5, 5]
    wired.run(f"ifconfig {wired.card} -promisc allmulti")
    assert seen(wired) == [0, 5, 5]
    wired.run(f"ifconfig {wired.card} down ; ifconfig {wired.card} up")
    wired.introduce()
    assert seen(wired) == [0, 5, 5], "the mode does not outlive a reset of the device"
    wired.run(f"ifconfig {wired.card} -allmulti")
    assert seen(wired) == [0, 0, 5]


def test_change_of_mode_disturbs_no_traffic(wired):
    """Twenty changes while datagrams come in: each of them is answered, by an ICMP error or a count of its own."""
    before = wired.counters()
    for _ in range(20):
        wired.console.send(f"ifconfig {wired.card} promisc ; ifconfig {wired.card} -promisc\n")
        for _ in range(10):
            wired.send(udp_to_guest())
    wired.settle()
    wired.ping()
    assert wired.counted(before, "udp", "no_port") == 200


@pytest.mark.cards("virtio", "virtio-pci")
def test_device_that_cannot_be_told(boot):
    """Without the feature CTRL_RX: the request is refused, and changes nothing."""
    wired = Wired(boot(nic=",ctrl_rx=off"))
    (card,) = card_names(wired)
    wired.introduce()
    assert "not supported" in wired.run(f"ifconfig {card} promisc").lower()
    assert "promisc" not in wired.run(f"ifconfig {card}")
    wired.ping()
