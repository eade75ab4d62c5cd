"""The cases of a lab: functions marked with @case in labs/NN-name/cases.py and, for the grader alone, hidden.py.

    TITLE = "..."         of the lab
    FILES = [...]         that a student may change; nothing else is taken from a submission
    @case(points, text)   def name(s): ...      s: a Session; a Failure, or any fault seen on the wire, fails it

`card` and `smp`: the machine; `guest=False`: the case runs without one and gets a Bench, and `program` is what it runs;
`allow`: regular expressions of problems that the case provokes.
"""

import importlib.util
import sys
from typing import Callable, NamedTuple


class Case(NamedTuple):
    name: str
    points: int
    text: str
    run: Callable
    hidden: bool
    options: dict


class Book(NamedTuple):
    title: str
    files: list
    cases: list
    programs: list  # of unit tests, that cases without a guest run


_collected = []


def case(points, text, **options):
    def mark(function):
        _collected.append(Case(function.__name__.replace("_", "-"), points, text, function, False, options))
        return function
    return mark


def _load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def book(folder):
    _collected.clear()
    module = _load(folder / "cases.py", "cases")
    cases = list(_collected)
    if (folder / "hidden.py").exists():
        _collected.clear()
        _load(folder / "hidden.py", "hidden")
        cases += [one._replace(hidden=True) for one in _collected]
    programs = {one.options["program"] for one in cases if "program" in one.options}
    return Book(module.TITLE, module.FILES, cases, sorted(programs))
