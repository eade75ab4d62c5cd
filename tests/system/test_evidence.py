"""What a test that fails leaves behind, and what makes a test fail that asks for nothing: shown by running pytest on tests made
for that, with an evidence folder of their own."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.evidence import BUILD, TOP

SYSTEM = Path(__file__).resolve().parent
PATHS = f"""import sys
sys.path[:0] = [{str(SYSTEM)!r}, {str(SYSTEM.parent)!r}]
"""
HEAD = f"""{PATHS}from shell import Wired
"""
CONFTEST = f"""{PATHS}import importlib.util
spec = importlib.util.spec_from_file_location("system_conftest", {str(SYSTEM / "conftest.py")!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
globals().update({{name: value for name, value in vars(module).items()
                  if not name.startswith("__") and name != "pytest_generate_tests"}})  # that one needs an option of ours
"""


@pytest.fixture
def run_inner(tmp_path):
    """Runs one test, given as the lines of its body, in a pytest of its own; returns its output and its folder or None."""
    build = tmp_path / "build"
    build.mkdir()
    for file in ("kernel.elf", "fs.img"):
        (build / file).symlink_to(BUILD / file)
    (tmp_path / "conftest.py").write_text(CONFTEST)

    def run(*body):
        (tmp_path / "test_inner.py").write_text(HEAD + "\n\ndef test(boot):\n" + "".join(f"    {line}\n" for line in body))
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(tmp_path),
             str(tmp_path / "test_inner.py")], cwd=tmp_path, env={**os.environ, "RVNET_BUILD": str(build)},
            capture_output=True, text=True, timeout=50, check=False)
        folder = build / "evidence" / "test_inner.py_test"
        return result, folder if folder.exists() else None

    return run


def test_folder_of_a_failed_test(run_inner):
    """pcap, console, the frames, what was expected and seen, the commands: all in one folder, which the report names."""
    result, folder = run_inner("wired = Wired(boot())", "wired.ping()", "wired.run('echo on the console')",
                               "found = wired.counters()['udp', 'received']", "assert found == 77")
    assert result.returncode == 1 and folder and str(folder) in result.stdout, result.stdout
    from scapy.layers.inet import ICMP  # and with it Ethernet
    from scapy.utils import rdpcap
    assert any(packet.haslayer(ICMP) for packet in rdpcap(str(folder / "nic0.pcap")))
    assert "from guest" in (folder / "nic0.frames").read_text() and "to guest" in (folder / "nic0.frames").read_text()
    assert "on the console" in (folder / "console").read_text()
    assert "assert 0 == 77" in (folder / "why").read_text()
    assert (folder / "command").read_text().startswith("qemu-system-riscv64 ")
    assert (folder / "stderr").exists()
    assert "-m pytest 'tests/system/test_inner.py::test'" in (folder / "rerun").read_text()


def test_nothing_is_left_of_a_test_that_passes(run_inner):
    result, folder = run_inner("Wired(boot()).ping()")
    assert (result.returncode, folder) == (0, None), result.stdout


@pytest.mark.parametrize("provoke, line", [
    # What QEMU logs when an address is read where there is nothing.
    ("boot.guest.monitor.command('human-monitor-command', **{'command-line': 'xp /1w 0xffc'})", "qemu.log: Invalid read"),
    ("(boot.evidence.path / 'stderr').write_text('qemu-system-riscv64: virtio: zero sized buffers are not allowed')",
     "stderr: .*virtio: zero sized"),
    ("boot.guest.console.send('echo kernel panic: not really\\n'); wired.ping(); wired.settle()", "console: .*panic"),
    ("boot.guest.links[0].faults.append('a frame against the rules')", "nic0: a frame against"),
], ids=["guest-error", "virtio-error", "panic", "wrong-frame"])
def test_problem_fails_the_test_it_happens_in(run_inner, provoke, line):
    """The body itself asks for nothing."""
    result, folder = run_inner("wired = Wired(boot())", provoke)
    assert result.returncode == 1 and folder, result.stdout
    assert re.search(line, (folder / "why").read_text())


def test_rerun_command_runs_just_that_test(tmp_path):
    """Taken from a folder, and typed at the top of the tree."""
    node = "tests/system/test_boot.py::test_scripted_run_ends_with_its_commands_code[echo scripted-0]"
    build = tmp_path / "build"
    build.mkdir()
    for file in ("kernel.elf", "fs.img"):
        (build / file).symlink_to(BUILD / file)
    environment = {**os.environ, "RVNET_BUILD": str(build), "RVNET_KEEP": "1"}
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node], cwd=TOP, env=environment,
                   timeout=40, check=True, capture_output=True)
    (rerun,) = build.glob("evidence/*/rerun")
    make, command = rerun.read_text().strip().split(" && ")
    assert make == "make" and shlex.split(command)[-1] == node
    again = subprocess.run(command + " -p no:cacheprovider", shell=True, cwd=TOP, env=environment, timeout=40, check=True,
                           capture_output=True, text=True)
    assert "1 passed" in again.stdout
