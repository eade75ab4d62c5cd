"""Fixtures of the system tests: `boot` starts guests and judges them when the test ends.

Each test has its own QEMU, links, disk overlay and deadline, so tests run in any order and side by side
(pytest -n 2). When a test fails, its folder under build/evidence stays and is named in the report.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import qemu  # noqa: E402
from harness.evidence import Evidence  # noqa: E402
from harness.qemu import Guest  # noqa: E402


def pytest_collection_modifyitems(items):
    """Every test that names no timeout of its own gets 60 s."""
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keeps the report of the test's body where the fixture finds it."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.call_report = report


class Booter:
    """boot(...) takes what Guest takes. allow: what this test provokes (see Guest.problems)."""

    def __init__(self, evidence):
        self.evidence = evidence
        self.guest = None
        self.allow = ()

    def __call__(self, allow=(), **options):
        assert self.guest is None, "one guest a test"
        lacking = qemu.missing()
        assert lacking is None, lacking
        self.allow = allow
        self.guest = Guest(self.evidence, **options)
        return self.guest


@pytest.fixture
def boot(request):
    name = f"{request.node.path.name}::{request.node.name}"
    evidence = Evidence(name, f"make && {sys.executable} -m pytest 'tests/system/{name}'")
    booter = Booter(evidence)
    yield booter
    problems = []
    if booter.guest:
        booter.guest.close()
        problems = booter.guest.problems(booter.allow)
    report = getattr(request.node, "call_report", None)
    texts = [report.longreprtext] if report is not None and report.failed else []
    folder = evidence.finish("\n".join(texts + problems) or None)
    if folder:
        print(f"evidence: {folder}")
    if problems:
        pytest.fail(f"the run had problems (evidence: {folder}):\n" + "\n".join(problems[:20]))
