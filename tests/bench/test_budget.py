"""The budget: what one echo may cost in counts, see budget.py. No time is measured."""

import pytest

import budget
from rig import Failed, missing


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
