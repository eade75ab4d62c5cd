"""Fixtures of the system tests: `boot` starts guests and judges them when the test ends.

Each test has its own QEMU, links, disk overlay and deadline, so tests run in any order and side by side
(pytest -n). When a test fails, its folder under build/evidence stays and is named in the report.

Which tests run on which cards, modes and numbers of harts is said by their mark `matrix`; see configurations.py.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import qemu  # noqa: E402
from harness.evidence import Evidence  # noqa: E402
from harness.qemu import Guest  # noqa: E402

from configurations import MATRIX  # noqa: E402


def pytest_generate_tests(metafunc):
    """A test marked matrix(short..., rings=) runs on the matrix with --full, else on the short list; if that is empty, once,
    as it asks itself."""
    mark = metafunc.definition.get_closest_marker("matrix")
    if mark is None:
        return
    rings = mark.kwargs.get("rings", False)
    full = [way for way in MATRIX if way.event_index or rings] if metafunc.config.getoption("--full") else []
    chosen = list(dict.fromkeys([*full, *mark.args]))
    if chosen:
        metafunc.parametrize("configuration", chosen, ids=map(str, chosen), indirect=True)


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
