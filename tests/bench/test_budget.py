"""The budget: what one echo may cost in counts, see budget.py. No time is measured."""

import pytest

import budget
from counts import Counters
from rig import BUILD, Failed, Rig, missing


@pytest.mark.timeout(120)
def test_budget():
    assert not missing(), missing()
    try:
        values, profiles = budget.take()
    except Failed as failure:
        pytest.fail(f"the counts could not be taken: {failure}")
    found = budget.excesses(values)
    assert not found, "\n".join(["", *found, budget.growth(profiles),
                                 "if that is meant: tests/bench/budget.py --update, and say why in the commit"])


@pytest.mark.timeout(120)
def test_tlb_adapts_to_a_load():
    """QEMU gives the TLB another size only when it is flushed: so it is, but ever more rarely."""
    assert not missing(), missing()
    kernel = BUILD / "kernel.elf"
    counters = Counters(kernel, BUILD / "bin" / "bench")
    with Rig(kernel, counters=counters) as rig:
        rig.ask("flood 64 0 50")  # the sink's process has come on
        before = counters.read()
        for _ in range(4):
            rig.ask("flood 64 0 250")
        after = counters.read()
    grown = {name: after[name]["tlb_flushes"] - before[name]["tlb_flushes"] for name in after}
    flushes = {name: n for name, n in grown.items() if n}
    assert "vm_activate" not in flushes, "another process came on"
    assert 1 <= sum(flushes.values()) <= 12, f"in some 100 time slices: {flushes}"
