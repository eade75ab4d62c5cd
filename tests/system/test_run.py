"""`make qemu` and `make qemu-gdb`: a terminal, both networks on one Ethernet, the peer in the same process."""

import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from harness import qemu
from harness.evidence import BUILD, TOP


@pytest.fixture
def terminal():
    """Starts harness.run on a terminal of its own and ends it."""
    started = []

    def start(*arguments):
        lacking = qemu.missing()
        assert lacking is None, lacking
        child = pexpect.spawn(sys.executable, ["-m", "harness.run", *arguments], cwd=str(TOP / "tests"), timeout=20,
                              encoding="utf-8", echo=False)
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def command(child, text, pattern):
    child.sendline(text)
    child.expect(pattern)
    child.expect(r"\n\$ ")


def test_nettests_at_the_prompt_beside_the_user_network(terminal, tmp_path):
    child = terminal("--disk", str(tmp_path / "disk.img"))
    child.expect(r"\n\$ ")
    command(child, "nettests tx rx dns", "3 of 3 passed")
    command(child, "ping -c 1 10.0.2.2", "1 received")
    command(child, "ping -c 1 10.0.2.100", "1 received")
    child.sendline("cat")
    child.sendline("typed")
    child.expect("typed[\r\n]+typed")
    child.send("\x03")
    child.expect(r"\n\$ ")
    child.send("\x01x")
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.signalstatus) == (0, None)


def test_disk_keeps_what_was_written(terminal, tmp_path):
    for line, pattern in (("mkdir /kept", r""), ("ls /", "kept")):
        child = terminal("--disk", str(tmp_path / "disk.img"))
        child.expect(r"\n\$ ")
        command(child, line, pattern)
        child.sendline("poweroff 3")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 3


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="no gdb-multiarch")
def test_debugger_stops_at_a_breakpoint(terminal, tmp_path):
    target = tmp_path / "gdb-target"
    child = terminal("--disk", str(tmp_path / "disk.img"), "--gdb", "--gdb-target", str(target))
    child.expect("waiting for a debugger on port")
    done = subprocess.run(
        ["gdb-multiarch", "-nx", "-batch", "-ex", f"file {BUILD / 'kernel.elf'}", "-x", str(target), "-ex",
         "break boot", "-ex", "continue", "-ex", "bt 1", "-ex", "kill"], capture_output=True, text=True, timeout=40)
    assert "Breakpoint 1, boot" in done.stdout, done.stdout + done.stderr
    assert Path(target).read_text().startswith("target remote localhost:")
