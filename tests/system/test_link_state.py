"""Cables that are pulled out and interfaces that go down and up, with and without traffic: for every kind of card."""

import pytest

from configurations import EVERY_CARD
from load import Load, check_nothing_is_lost
from shell import PEER, Wired, card_names, is_announcement, is_arp_reply_to, wait_until

pytestmark = pytest.mark.matrix(*EVERY_CARD, rings=True)


@pytest.fixture
def wired(boot):
    shell = Wired(boot())
    (shell.card,) = card_names(shell)
    shell.monitor = boot.guest.monitor
    shell.introduce()
    return shell


def set_link(wired, up):
    wired.monitor.set_link(0, up)
    wired.console.expect(f"{wired.card}: link {'up' if up else 'down'}", 10)
    wired.settle()


def test_dead_link_is_no_way(wired):
    """Sends are refused at once, the interface says so, and afterwards others are told where the address is."""
    set_link(wired, False)
    assert "link" not in wired.run(f"ifconfig {wired.card}").splitlines()[0]
    since = wired.link.position()
    before = wired.counters()
    assert "Network is down" in wired.run("ping -c 1 10.0.2.100")
    assert "Network is down" in wired.run("echo x | nc -u -w 1 8.8.8.8 9")  # by the gateway: the same card
    assert wired.counters()[wired.card, "tx_packets"] == before[wired.card, "tx_packets"]
    assert "1 received" in wired.run("ping -c 1 127.0.0.1")
    assert "1 received" in wired.run("ping -c 1 10.0.2.15")  # the own address is reached without a wire
    assert wired.link.from_guest(since) == []
    set_link(wired, True)
    assert wired.link.wait_for(is_announcement, since), "expected an announcement, got none"
    assert "link" in wired.run(f"ifconfig {wired.card}").splitlines()[0]
    assert "1 received" in wired.run("ping -c 1 10.0.2.100")
    wired.ping()


def test_interface_that_comes_up_without_a_link(wired):
    wired.run(f"ifconfig {wired.card} down")
    wired.monitor.set_link(0, False)
    wired.run(f"ifconfig {wired.card} up")
    assert "Network is down" in wired.run("ping -c 1 10.0.2.100")
    set_link(wired, True)
    assert "1 received" in wired.run("ping -c 1 10.0.2.100")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["down-up", "link", "polled"])
def test_changes_under_traffic_lose_nothing(wired, how):
    """Six times, in the middle of echoes both ways: every mbuf is accounted for afterwards, and the sockets of
    before go on."""
    changes = {"down-up": f"ifconfig {wired.card} down ; ifconfig {wired.card} up",
               "polled": f"ifconfig {wired.card} polled ; ifconfig {wired.card} interrupt"}
    load = Load(wired)
    quiet = wired.counters()

    def answering():  # a frame that comes before the card is ready is lost
        since = wired.link.position()
        wired.arp_request()
        return wired.link.wait_for(lambda f: is_arp_reply_to(f, PEER), since, timeout=0.5)

    for _ in range(6):
        load.proceeds()
        if how == "link":
            wired.monitor.set_link(0, False)
            wired.monitor.set_link(0, True)
        else:
            wired.run(changes[how])
        wait_until(answering)
    load.proceeds()
    load.end()
    after = check_nothing_is_lost(wired, quiet)
    if how == "down-up":
        assert after["mbuf", "free"] >= quiet["mbuf", "free"] - 2
