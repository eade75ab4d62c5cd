"""The same kernel, the same nettests, on each card, with and without interrupts, on one hart and several: every
configuration."""

import re

import pytest

from harness.demo import PEER_IP, run_nettests
from configurations import MATRIX
from shell import Wired, card_names

pytestmark = pytest.mark.matrix(*MATRIX)


def test_nettests(boot, configuration):
    options = configuration.apply({})
    results, words, problems = run_nettests(boot.evidence, options.pop("smp"), **options)
    failures = [f"{name}: {text} (the guest said: {words.get(name, 'nothing')})"
                for name, text in results.items() if text]
    assert not failures + problems, "\n".join(failures + problems)


def test_configuration_is_in_force(boot, configuration):
    """Or the matrix would be the same run again and again."""
    wired = Wired(boot())
    (name,) = card_names(wired)
    assert name == ("e1000-0" if configuration.card == "e1000" else "virtio0")
    wired.introduce()
    before = wired.counters()
    assert "2 received" in wired.run(f"ping -c 2 {PEER_IP}")
    after = wired.counters()
    polled = configuration.mode == "polled"
    assert polled == ("polled" in wired.run(f"ifconfig {name}"))
    assert (after[name, "interrupts"] == before[name, "interrupts"]) == polled
    assert after[name, "polls"] > 0 and after[name, "doorbells"] > 0
    assert f", {configuration.smp} harts," in wired.run("ps")
    command = (boot.evidence.path / "command").read_text()
    assert bool(re.search("event_idx=off", command)) != configuration.event_index
