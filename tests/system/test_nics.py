"""The kinds of network card and the PCI bus: each kind carries nettests, all together work side by side, and what
is special about one."""

import re
import time

import pytest

from harness import wire
from harness.demo import PEER_IP, PEER_MAC, run_nettests
from harness.host import Host
from harness.qemu import GUEST_MACS, disk_options
from shell import GUEST_IP, PEER, PEER_ETH, Shell, Wired

PCI_DISK = [*disk_options()[:2], "-device", "virtio-blk-pci,drive=disk0"]
RX_HOLD_OFF = 1.2  # seconds for which QEMU's e1000 receives nothing after its receive register was written


def wired(boot, card, **options):
    shell = Wired(boot(cards=[card], **options))
    shell.name = "e1000-0" if card in ("e1000", "82545em") else "virtio0"
    shell.ping_peer = lambda count=2: f"{count} received" in shell.run(f"ping -c {count} {PEER_IP}")
    shell.introduce()  # answered when the card receives
    return shell


@pytest.mark.parametrize("smp", [1, 3])
@pytest.mark.parametrize("card, properties", [("virtio-pci", ""), ("virtio-pci", ",disable-legacy=on"),
                                              ("virtio-pci", ",event_idx=off"), ("e1000", ""),
                                              ("e1000", ",mitigation=off"), ("82545em", "")])
def test_nettests(boot, card, properties, smp):
    results, words, problems = run_nettests(boot.evidence, smp, cards=[card], nic=properties)
    failures = [f"{name}: {text} (the guest said: {words.get(name, 'nothing')})"
                for name, text in results.items() if text]
    assert not failures + problems, "\n".join(failures + problems)


def test_list_of_functions(boot):
    shell = Shell(boot(cards=["virtio-pci", "e1000"]))
    lines = shell.run("lspci").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["00.0", "1b36:0008"], ["01.0", "1af4:1000"], ["02.0", "8086:100e"]]
    assert [line.split()[-1] for line in lines] == ["-", "virtio-pci", "e1000"]
    assert "irq 33" in lines[1] and "irq 34" in lines[2]
    regions = re.findall(r"region \d: 0x([0-9a-f]+), (\d+) bytes of memory", shell.run("lspci -v"))
    spans = sorted((int(address, 16), int(size)) for address, size in regions)
    assert len(spans) == 3
    for (address, size), following in zip(spans, [*spans[1:], (0x80000000, 0)]):
        assert 0x40000000 <= address and address % size == 0 and address + size <= following[0]
    assert "usage" in shell.run("lspci -x")


def test_unknown_function_is_named(boot):
    guest = boot(cards=["virtio"], options=["-device", "pci-testdev"])
    Shell(guest)
    assert len(re.findall(r"^pci 01\.0: no driver for 1b36:0005, class 00ff00$", guest.console.text, re.M)) == 1


def test_root_on_pci(boot):
    """Read, written, and read again after the cache has forgotten."""
    shell = Shell(boot(cards=["virtio"], disk=PCI_DISK))
    shell.run("echo on-pci > /tmp/x")
    assert "on-pci" in shell.run("cat /bin/nettests > /dev/null; cat /tmp/x")
    assert re.search(r"^01\.0 .*virtio-pci$", shell.run("lspci"), re.M)


def test_first_disk_stays_root(boot):
    """A second disk behind PCI, however early its slot, is disk 1."""
    blank = boot.evidence.path / "blank"
    blank.write_bytes(bytes(1 << 20))
    guest = boot(cards=["virtio"], options=["-drive", f"file={blank},if=none,format=raw,id=disk1",
                                            "-device", "virtio-blk-pci,drive=disk1"])
    Shell(guest)
    assert "disk0: virtio-mmio" in guest.console.text
    assert "disk1: virtio-pci" in guest.console.text


def test_legacy_device_is_declined(boot):
    guest = boot(cards=["virtio-pci"], nic=",disable-modern=on,disable-legacy=off")
    assert "virtio0" not in Shell(guest).run("ifconfig")
    assert "a legacy device?" in guest.console.text


def test_all_cards_at_once(boot):
    """Each on its own network; all three carry traffic at the same time."""
    cards = ["virtio", "virtio-pci", "e1000"]
    guest = boot(cards=cards, smp=3)
    for n in range(3):
        Host(guest.links[n], f"10.0.{2 + n}.100", f"52:55:0a:00:0{2 + n}:64")
    shell = Shell(guest)
    names = ["virtio0", "virtio1", "e1000-0"]
    for n in (1, 2):
        shell.run(f"ifconfig {names[n]} 10.0.{2 + n}.15/24 up")
    shell.run(" & ".join(f"ping -c 5 10.0.{2 + n}.100 > /tmp/{n}" for n in range(3)) + " & wait", timeout=20)
    time.sleep(RX_HOLD_OFF)
    for n in range(3):
        assert "3 received" in shell.run(f"ping -c 3 10.0.{2 + n}.100")
        assert GUEST_MACS[n] in shell.run(f"ifconfig {names[n]}")
        addresses = {packet.source for frame in guest.links[n].from_guest() if (packet := wire.parse_ip(frame))}
        assert addresses == {wire.ip(f"10.0.{2 + n}.15")}


@pytest.mark.parametrize("card", ["virtio", "virtio-pci", "e1000"])
def test_link(boot, card):
    """Down: sends are refused at once, and named. Up: the address is announced, and traffic passes."""
    guest = wired(boot, card)
    assert guest.ping_peer()
    guest.guest.monitor.set_link(0, False)
    guest.console.expect(f"{guest.name}: link down", 5)
    assert "Network is down" in guest.run(f"ping -c 1 {PEER_IP}")
    since = guest.link.position()
    guest.guest.monitor.set_link(0, True)
    guest.console.expect(f"{guest.name}: link up", 5)
    assert guest.link.wait_for(lambda frame: (packet := wire.parse_arp(frame)) and packet.target_ip == GUEST_IP, since)
    assert guest.ping_peer()


@pytest.mark.parametrize("card", ["virtio-pci", "e1000"])
def test_down_and_up_under_traffic(boot, card):
    """The peer does not stop sending; nothing is lost for good."""
    guest = wired(boot, card, smp=3)
    assert guest.ping_peer()
    rings = guest.counters()["mbuf", "rx_ring"]
    for _ in range(3):
        frame = wire.udp_frame(PEER_ETH, wire.mac(GUEST_MACS[0]), PEER, GUEST_IP, 7, 9, bytes(64))
        for _ in range(200):
            guest.send(frame)
        guest.run(f"ifconfig {guest.name} down")
        guest.run(f"ifconfig {guest.name} up")
    time.sleep(RX_HOLD_OFF)
    assert guest.ping_peer()
    after = guest.counters()
    assert after["mbuf", "rx_ring"] == rings
    assert after["mbuf", "stack"] == after["mbuf", "dev_queue"] == 0
    assert after[guest.name, "restarts"] == 0


def test_e1000_filters_by_address(boot):
    """A frame for another station is not even received, unless everything is asked for."""
    guest = wired(boot, "e1000")
    guest.ping_peer()
    stranger = wire.udp_frame(PEER_ETH, wire.mac("52:54:00:99:99:99"), PEER, GUEST_IP, 7, 9, b"not for you")
    group = wire.udp_frame(PEER_ETH, wire.mac("01:00:5e:00:00:fb"), PEER, wire.ip("224.0.0.251"), 7, 9, b"group")

    def received(*frames):
        before = guest.counters()[guest.name, "rx_packets"]
        for frame in frames:
            guest.send(frame)
        guest.introduce()  # received behind them
        return guest.counters()[guest.name, "rx_packets"] - before - 1

    assert received(stranger, group) == 0
    guest.run(f"ifconfig {guest.name} allmulti")
    time.sleep(RX_HOLD_OFF)
    assert received(stranger, group) == 1
    guest.run(f"ifconfig {guest.name} promisc")
    time.sleep(RX_HOLD_OFF)
    assert received(stranger, group) == 2
    guest.run(f"ifconfig {guest.name} -promisc -allmulti")
    time.sleep(RX_HOLD_OFF)
    assert received(stranger, group) == 0


def test_two_e1000_on_one_interrupt(boot):
    """Slots 1 and 5 share a line; each card has the address of its EEPROM."""
    guest = boot(cards=["e1000"], options=["-netdev", "user,id=u5,net=10.0.5.0/24", "-device",
                                           "e1000,netdev=u5,addr=5,mac=52:54:00:aa:bb:cc,romfile="])
    Host(guest.links[0], PEER_IP, PEER_MAC)
    shell = Shell(guest)
    assert re.findall(r"irq (\d+) +e1000", shell.run("lspci")) == ["33", "33"]
    assert GUEST_MACS[0] in shell.run("ifconfig e1000-0")
    assert "52:54:00:aa:bb:cc" in shell.run("ifconfig e1000-1")
    shell.run("ifconfig e1000-1 10.0.5.15/24 up")
    time.sleep(RX_HOLD_OFF)
    shell.run(f"ping -c 5 {PEER_IP} > /tmp/0 & ping -c 5 10.0.5.2 > /tmp/1 & wait", timeout=20)
    for file in ("/tmp/0", "/tmp/1"):
        assert "5 received" in shell.run(f"cat {file}")


def test_e1000_checksum_offload(boot):
    """What the card computes is right for every length, and a damaged one is found without its help."""
    guest = wired(boot, "e1000")
    guest.ping_peer()
    frame = wire.udp_frame(PEER_ETH, wire.mac(GUEST_MACS[0]), PEER, GUEST_IP, 7, 9, b"0123456789")
    guest.send(frame[:-1] + b"x")
    guest.introduce()
    assert guest.counters()["udp", "bad_checksum"] == 1
