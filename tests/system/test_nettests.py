"""nettests as a user runs it: all tests at once on several numbers of harts, each alone, and without a peer."""

import time

import pytest

from harness import qemu
from harness.control import Control
from harness.demo import PEER_IP, PEER_MAC, run_nettests
from harness.host import Host
from harness.judges import JUDGES


def judge(boot, smp, tests=(), **guest_options):
    lacking = qemu.missing()
    assert lacking is None, lacking
    results, words, problems = run_nettests(boot.evidence, smp, tests, **guest_options)
    failures = [f"{name}: {text} (the guest said: {words.get(name, 'nothing')})"
                for name, text in results.items() if text]
    assert not failures + problems, "\n".join(failures + problems)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("smp", [1, 3, 8])
def test_all(boot, smp):
    judge(boot, smp)


@pytest.mark.parametrize("name", JUDGES)
def test_alone(boot, name):
    """Each test works as the first and only one."""
    judge(boot, 2, [name])


@pytest.mark.parametrize("nic", ["event_idx=off", "indirect_desc=off", "rx_queue_size=1024", "mrg_rxbuf=off",
                                 "status=off", "host_mtu=1500"])
def test_other_features(boot, nic):
    """The device offers more or less than usual, and the driver gets along."""
    judge(boot, 2, ["echo-0", "echo-1472", "burst", "ten-processes", "no-leak"], nic=f",{nic}")


def test_list_is_the_peers(boot):
    guest = boot(run="nettests -l")
    assert guest.wait(30) == 0
    lines = guest.console.text.splitlines()
    assert [line for line in lines if line in JUDGES] == list(JUDGES)


def test_missing_peer_is_named_within_three_seconds(boot):
    """Nobody answers ARP at all. The clock starts when the command does."""
    guest = boot()
    guest.console.expect(r"\$ ", 30)
    started = time.monotonic()
    guest.console.send("nettests tx\n")
    guest.console.expect("nettests: no peer: expected an answer from 10.0.2.100", 10)
    assert time.monotonic() - started < 3.5  # half a second for the console and the start of the process


def test_missing_peer_is_a_failure_of_every_test(boot):
    guest = boot(run="nettests tx rx dns")
    assert guest.wait(30) == 3


def test_failure_costs_one_test_and_is_counted(boot, monkeypatch):
    """The peer keeps the datagrams of two tests to itself: those fail with what was expected, the others pass."""
    for name in ("rx", "echo-2"):
        monkeypatch.setitem(JUDGES, name, type("Silent", (JUDGES[name],), {
            "go": lambda self: None, "received": lambda self, datagram: None}))
    guest = boot(run="nettests tx rx echo-1 echo-2 dns")
    control = Control(Host(guest.links[0], PEER_IP, PEER_MAC))
    assert guest.wait(40) == 2
    said = dict(line.split(": ", 1) for line in guest.console.text.splitlines() if line.split(": ")[0] in JUDGES)
    assert [said[name] for name in ("tx", "echo-1", "dns")] == ["OK"] * 3
    for name in ("rx", "echo-2"):
        assert said[name].startswith("FAIL expected ") and ", got " in said[name], said[name]
    assert control.failures(["tx", "echo-1", "dns"]) == {}


def test_host_without_the_service_is_no_peer(boot):
    """The address answers, port 7000 does not."""
    guest = boot(run="nettests tx")
    Host(guest.links[0], PEER_IP, PEER_MAC)
    assert guest.wait(30) == 1
    assert "no peer" in guest.console.text


def test_other_address(boot):
    guest = boot(run="nettests -p 10.0.2.101 tx")
    control = Control(Host(guest.links[0], "10.0.2.101", PEER_MAC))
    assert guest.wait(30) == 0
    assert control.failures(["tx"]) == {}


@pytest.mark.parametrize("arguments", ["-x", "-p", "-p 10.0.2.256", "-p nobody", "nosuchtest"])
def test_bad_arguments(boot, arguments):
    guest = boot(run=f"nettests {arguments}")
    assert guest.wait(30) == 255
    assert "nettests" in guest.console.text
