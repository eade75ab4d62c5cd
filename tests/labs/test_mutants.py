"""The graders, graded, as far as CI has time for: the tenth of the seeded bugs whose turn it is with this commit, and those
that changed files touch (labs/tools/mutants.py). `make mutants` runs all."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TOOLS = TOP / "labs/tools"
sys.path.insert(0, str(TOOLS))

import mutants  # noqa: E402

TOUCHED_MAX = 12  # some four seconds each
CHOSEN, LEFT_OUT = mutants.of_this_commit(TOUCHED_MAX)


def make_mutants(*arguments, timeout=600):
    return subprocess.run([sys.executable, TOOLS / "mutants.py", "--jobs", "1", *map(str, arguments)], cwd=TOP,
                          capture_output=True, text=True, timeout=timeout, check=False,
                          env={**os.environ, "PYTHONPATH": str(TOOLS), "RVNET_BUILD": str(TOP / "build")})


@pytest.mark.timeout(300)
def test_all_apply_and_compile():
    result = make_mutants("--check")
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(result.stdout.split()[0]) >= 80, result.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("label", [mutant.label for mutant in CHOSEN])
def test_is_killed(label):
    result = make_mutants(label)
    assert result.returncode == 0, f"{result.stdout}{result.stderr}\nto see it: make mutants NAMES={label}"


def test_those_left_out_are_named():
    """Not a failure: it is shown among pytest's warnings."""
    if LEFT_OUT:
        warnings.warn(LEFT_OUT)


def test_each_has_its_turn_within_ten_commits():
    every = [mutant.label for folder in mutants.sources.lab_folders() for mutant in mutants.parse(folder)]
    turns = [label for k in range(10) for label in mutants.tenth(every, 7 + k)]
    assert sorted(turns) == sorted(every) and len(set(every)) == len(every)
