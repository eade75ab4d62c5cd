"""usertests, which tests every system call from inside."""

import re

import pytest


@pytest.mark.timeout(240)
@pytest.mark.parametrize("smp", [1, 3, 8])
def test_usertests(boot, smp):
    guest = boot(run="usertests -q", smp=smp, deadline=230)
    code = guest.wait(235)
    failed = [line for line in guest.console.text.splitlines() if re.search(r"\bFAIL", line)]
    assert (code, failed) == (0, []), guest.console.text[-2000:]
    assert re.search(r": OK$", guest.console.text, re.M), "expected results, got none"
