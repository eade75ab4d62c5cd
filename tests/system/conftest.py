"""Fixtures of the system tests: `boot` starts guests and judges them when the test ends.

Each test has its own QEMU, links, disk overlay and deadline, so tests run in any order and side by side
(pytest -n 2). When a test fails, its folder under build/evidence stays and is named in the report.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import qemu  # noqa: E402
from harness.evidence import Evidence  # noqa: E402
from harness.qemu import Guest  # noqa: E402


class Configuration(NamedTuple):
    """A way to run the same test: on which card, how it is served, and on how many harts."""
    card: str
    mode: str  # "interrupt" or "polled"
    smp: int
    event_index: bool

    def __str__(self):
        return f"{self.card}-{self.mode}-smp{self.smp}" + ("" if self.event_index else "-no-event-index")

    def apply(self, options):
        """Guest's options, with this configuration's where the test does not insist on its own card."""
        options["smp"] = self.smp
        if self.mode == "polled":
            options["words"] = "polled " + options.get("words", "")
        if options.get("cards") is None:
            options["cards"] = [self.card] * options.pop("nics", 1)
        if not self.event_index and all(card.startswith("virtio") for card in options["cards"]):
            options["nic"] = options.get("nic", "") + ",event_idx=off"
        return options


# The matrix: nettests run on all of it; with --full every test of the files named here does as well. A test that cannot be
# on every card names those that it can be on: @pytest.mark.cards(...).
MATRIX = [Configuration(card, mode, smp, event_index) for card in ("virtio", "virtio-pci", "e1000")
        for mode in ("interrupt", "polled") for smp in (1, 3) for event_index in (True, False)
        if event_index or card != "e1000"]
MATRIX_FILES = {"test_wire_arp.py", "test_wire_ip.py", "test_wire_icmp.py", "test_wire_udp.py", "test_interfaces.py"}


def pytest_generate_tests(metafunc):
    full, file = metafunc.config.getoption("--full"), metafunc.definition.path.name
    if "configuration" not in metafunc.fixturenames:
        return
    if file == "test_matrix.py" or (full and file in MATRIX_FILES):
        metafunc.parametrize("configuration", MATRIX, ids=map(str, MATRIX), indirect=True)


def can_be_there(item):
    mark, parameters = item.get_closest_marker("cards"), getattr(item, "callspec", None)
    configuration = parameters.params.get("configuration") if parameters else None
    return mark is None or configuration is None or configuration.card in mark.args


def pytest_collection_modifyitems(items):
    """Every test that names no timeout of its own gets 60 s."""
    items[:] = filter(can_be_there, items)
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

    def __init__(self, evidence, configuration=None):
        self.evidence = evidence
        self.configuration = configuration
        self.guest = None
        self.allow = ()

    def __call__(self, allow=(), **options):
        assert self.guest is None, "one guest a test"
        lacking = qemu.missing()
        assert lacking is None, lacking
        self.allow = allow
        if self.configuration:
            options = self.configuration.apply(options)
        self.guest = Guest(self.evidence, **options)
        return self.guest


@pytest.fixture
def configuration(request):
    """None: the test decides."""
    return getattr(request, "param", None)


@pytest.fixture
def boot(request, configuration):
    name = f"{request.node.path.name}::{request.node.name}"
    full = "--full " if configuration else ""
    evidence = Evidence(name, f"make && {sys.executable} -m pytest {full}'tests/system/{name}'")
    booter = Booter(evidence, configuration)
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
