"""Interfaces at run time: polled mode, down and up, MTU, and two cards with two networks."""

import pytest

from harness import wire
from harness.control import Control
from harness.demo import PEER_IP, PEER_MAC
from harness.host import Host
from harness.qemu import disk_options
from shell import Shell, Wired

OTHER_IP, OTHER_MAC = "10.0.3.100", "52:55:0a:00:03:64"


def first_interface(shell):
    """The name of the card: the interface that is not loopback."""
    names = [line.split()[0].rstrip(":") for line in shell.run("ifconfig").splitlines()
             if line and not line.startswith(" ")]
    return [name for name in names if not name.startswith("lo")]


def test_default_configuration(boot):
    text = Shell(boot()).run("ifconfig")
    for expected in ("10.0.2.15", "127.0.0.1", "52:54:00:12:34:56", "1500"):
        assert expected in text


@pytest.mark.matrix
def test_polled_mode_can_be_switched_while_running(boot):
    """Traffic goes on; polled, no interrupt comes any more; back again, they do."""
    wired = Wired(boot(smp=2))
    wired.introduce()
    (name,) = first_interface(wired)
    wired.ping()
    wired.run(f"ifconfig {name} polled")
    wired.ping()
    before = wired.counters()
    for _ in range(50):
        wired.ping()
    after = wired.counters()
    assert after[name, "interrupts"] == before[name, "interrupts"]
    assert after[name, "polls"] > before[name, "polls"]
    wired.run(f"ifconfig {name} interrupt")
    before = wired.counters()
    for _ in range(50):
        wired.ping()
    assert wired.counters()[name, "interrupts"] > before[name, "interrupts"]


@pytest.mark.matrix
def test_interface_that_is_down_is_silent(boot):
    wired = Wired(boot())
    wired.introduce()
    (name,) = first_interface(wired)
    wired.run(f"ifconfig {name} down")
    since = wired.link.position()
    wired.arp_request()
    assert "1 received" not in wired.run("ping -c 1 10.0.2.100")
    assert wired.link.from_guest(since) == []
    wired.run(f"ifconfig {name} up")
    wired.introduce()
    wired.ping()


@pytest.mark.matrix
def test_mtu_bounds_what_is_sent(boot):
    wired = Wired(boot())
    wired.introduce()
    (name,) = first_interface(wired)
    wired.run(f"ifconfig {name} mtu 600")
    assert "600" in wired.run("ifconfig")
    wired.run("nettests")  # no control service here: this only makes datagrams, which must be small
    assert all(len(frame) <= 614 for frame in wired.link.from_guest())


@pytest.mark.parametrize("setting", ["mtu 0", "mtu 67", "mtu 100000", "mtu x", "10.0.2.300", "nonsense",
                                     "netmask 255.0.255.0", "netmask 10.0.2.1", "10.0.2.1/33",
                                     "10.0.9.1 netmask 255.0.255.0", "down mtu x"])
def test_bad_settings_are_refused(boot, setting):
    wired = Wired(boot())
    (name,) = first_interface(wired)
    before = wired.run("ifconfig")
    assert "ifconfig" in wired.run(f"ifconfig {name} {setting}")
    assert wired.run("ifconfig") == before
    wired.introduce()
    wired.ping()


def is_reply_from(address):
    return lambda frame: ((packet := wire.parse_arp(frame)) and packet.operation == wire.ARP_REPLY
                          and packet.sender_ip == address)


@pytest.mark.matrix
def test_address_can_be_changed(boot):
    wired = Wired(boot())
    (name,) = first_interface(wired)
    wired.run(f"ifconfig {name} 10.0.2.16/24")
    new = wire.ip("10.0.2.16")
    since = wired.link.position()
    wired.arp_request(target=new)
    assert wired.link.wait_for(is_reply_from(new), since)
    since = wired.link.position()
    wired.arp_request()
    wired.arp_request(target=new)
    assert wired.link.wait_for(is_reply_from(new), since)
    assert not any(map(is_reply_from(wire.ip("10.0.2.15")), wired.link.from_guest(since)))


@pytest.mark.parametrize("setting", ["192.168.5.0/22", "192.168.5.0 netmask 255.255.252.0"])
def test_mask_of_the_class_never_holds(boot, setting):
    """With it the address would be no host's, and the gateway would be out of reach."""
    shell = Shell(boot())
    (name,) = first_interface(shell)
    shell.run(f"ifconfig {name} 192.168.7.9/22 ; route add default gw 192.168.7.1")
    assert shell.run(f"ifconfig {name} {setting}") == ""
    assert "inet 192.168.5.0/22 broadcast 192.168.7.255" in shell.run(f"ifconfig {name}")
    assert "192.168.7.1" in shell.run("route")


@pytest.mark.matrix
def test_two_cards_with_two_networks(boot):
    """Each network is reached through its own card, and nothing of one shows on the other."""
    guest = boot(nics=2, smp=2)
    first = Host(guest.links[0], PEER_IP, PEER_MAC)
    second = Host(guest.links[1], OTHER_IP, OTHER_MAC)
    shell = Shell(guest)
    names = first_interface(shell)
    assert len(names) == 2
    other = next(name for name in names if "10.0.2.15" not in shell.run(f"ifconfig {name}"))
    shell.run(f"ifconfig {other} 10.0.3.15/24 up")
    assert "3 received" in shell.run("ping -c 3 10.0.2.100")
    assert "3 received" in shell.run("ping -c 3 10.0.3.100")
    for link, host, source in ((guest.links[0], first, "10.0.2.15"), (guest.links[1], second, "10.0.3.15")):
        packets = [p for f in link.from_guest() if (p := wire.parse_ip(f))]
        assert {(p.source, p.destination) for p in packets} == {(wire.ip(source), host.ip)}


@pytest.mark.matrix
def test_frames_for_the_other_cards_address(boot):
    """A host accepts a datagram for any of its addresses, or only for the card's own: but it must not
    answer ARP on one network for its address on the other (A2)."""
    guest = boot(nics=2)
    Host(guest.links[0], PEER_IP, PEER_MAC)
    wired = Wired(guest, with_hosts=False)
    names = first_interface(wired)
    other = next(name for name in names if "10.0.2.15" not in wired.run(f"ifconfig {name}"))
    wired.run(f"ifconfig {other} 10.0.3.15/24 up")
    wired.introduce()
    since = wired.link.position()
    wired.arp_request(target=wire.ip("10.0.3.15"))
    wired.ping()
    assert not [f for f in wired.link.from_guest(since)
                if (p := wire.parse_arp(f)) and p.sender_ip == wire.ip("10.0.3.15")]


@pytest.mark.matrix
def test_card_in_another_slot(boot):
    guest = boot(disk=disk_options() + ["-device", "virtio-rng-device"])
    wired = Wired(guest)
    wired.introduce()
    wired.ping()


@pytest.mark.cards("virtio", "virtio-pci")
@pytest.mark.matrix
def test_mtu_of_the_device_is_taken(boot):
    """VIRTIO_NET_F_MTU: the device says what its network carries (virtio 1.2, 5.1.4)."""
    wired = Wired(boot(nic=",host_mtu=1400"))
    assert "mtu 1400" in wired.run("ifconfig")
    wired.introduce()
    reply = wired.ping()
    assert reply.payload == b"fence"


def test_nettests_pass_in_polled_mode(boot):
    wired = Wired(boot(smp=2))
    control = Control(wired.peer)
    (name,) = first_interface(wired)
    wired.run(f"ifconfig {name} polled")
    assert "24 of 24 passed" in wired.run("nettests", timeout=40)
    assert control.failures() == {}
