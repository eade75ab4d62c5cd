"""Every cmocka program under build/unit is one test here; so is the include rule.

Each program runs under ASan and UBSan with its own deadline. A failure shows the program's whole output.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import check_includes  # noqa: E402

PROGRAMS = sorted(source.stem for source in Path(__file__).parent.glob("test_*.c"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("program", PROGRAMS)
def test_unit(program):
    path = ROOT / "build" / "unit" / program
    result = subprocess.run([path], capture_output=True, text=True, timeout=110, check=False)
    assert result.returncode == 0, f"{path}\n{result.stdout}{result.stderr}"


@pytest.mark.timeout(120)
def test_include_rule():
    assert not check_includes.check()
