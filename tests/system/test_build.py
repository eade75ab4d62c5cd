"""The make targets and what they say when something is missing: with a PATH that holds only what the test puts there."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness.evidence import TOP

TARGETS = ("all", "deps", "demo", "qemu", "qemu-gdb", "test", "format", "compile_commands.json", "clean", "help")
# Without what a make above this test has said: how many jobs to run.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


@pytest.fixture
def tools(tmp_path):
    """tools(NAME...) makes the PATH of these programs of the system; tools.program(NAME, SCRIPT) adds one that is not."""
    folder = tmp_path / "bin"
    folder.mkdir()

    class Tools:
        environment = {**ENVIRONMENT, "PATH": str(folder)}

        def __call__(self, *names):
            for name in names:
                (folder / name).symlink_to(shutil.which(name))
            return self

        def program(self, name, script):
            file = folder / name
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
            return self

        def run(self, *command):
            """(exit code, all that was printed)"""
            result = subprocess.run(command, cwd=TOP, env=self.environment, capture_output=True, text=True, timeout=60,
                                    check=False)
            return result.returncode, result.stdout + result.stderr

    return Tools()


def make(tools, *arguments):
    return tools.run(shutil.which("make"), *arguments)


SHELL_TOOLS = ("sh", "find", "git", "python3")


@pytest.mark.parametrize("prefix", ["riscv64-unknown-elf-", "riscv64-linux-gnu-"])
def test_compiler_is_found(tools, tmp_path, prefix):
    tools(*SHELL_TOOLS).program(f"{prefix}gcc", "exit 0")
    code, text = make(tools, "-n", f"B={tmp_path}/b", f"{tmp_path}/b/kernel.elf")
    assert code == 0 and f"{prefix}gcc -std=gnu11" in text, text
    link = text[text.rindex(f"{prefix}gcc "):]
    assert "-flto-partition=one" in link.split("\n")[0] and "-T kernel/boot/kernel.ld" in link, text


def test_missing_compiler_is_named_with_its_package(tools, tmp_path):
    code, text = make(tools(*SHELL_TOOLS), f"B={tmp_path}/b", "all")
    assert code != 0 and "no RISC-V compiler" in text and "gcc-riscv64-unknown-elf" in text and "make deps" in text


def check_tools(tools, qemu="qemu-system-riscv64", compiler="riscv64-unknown-elf-gcc"):
    return tools.run(sys.executable, "tests/check_tools.py", qemu, compiler)


def test_complete_tools_pass_in_silence(tools):
    assert check_tools(tools("qemu-system-riscv64", "riscv64-unknown-elf-gcc")) == (0, "")


def test_missing_qemu_is_named_with_its_package(tools):
    code, text = check_tools(tools)
    assert code != 0 and "qemu-system-riscv64 is missing" in text and "qemu-system-misc" in text and "make deps" in text
    assert "riscv64-unknown-elf-gcc is missing" in text  # all that is missing is named at once


@pytest.mark.parametrize("version, accepted", [("5.2.0", False), ("7.1.0", False), ("7.2.0", True), ("10.0.2", True)])
def test_old_qemu_is_refused_with_what_it_lacks(tools, version, accepted):
    tools("riscv64-unknown-elf-gcc").program("qemu-system-riscv64", f"echo QEMU emulator version {version}")
    code, text = check_tools(tools)
    if accepted:
        assert (code, text) == (0, "")
    else:
        assert code != 0 and version[:3] in text and "7.2" in text and "dgram" in text


def test_broken_qemu_is_named(tools):
    tools("riscv64-unknown-elf-gcc").program("qemu-system-riscv64", "echo cannot load libfoo.so >&2; exit 127")
    code, text = check_tools(tools)
    assert code != 0 and "libfoo.so" in text and "Traceback" not in text


def test_deps_elsewhere_than_on_debian(tools):
    code, text = tools("sh").run("tests/deps.sh", "qemu-system-misc", "gcc-riscv64-unknown-elf")
    assert code != 0 and "not Debian" in text and "qemu-system-misc" in text and "7.2" in text


@pytest.mark.parametrize("installed", [True, False])
def test_deps_installs_what_is_missing_and_nothing_else(tools, tmp_path, installed):
    log = tmp_path / "log"
    state = "install ok installed" if installed else "unknown ok not-installed"
    tools("sh", "id").program("dpkg-query", f'case "$*" in *there*) echo "install ok installed";; *) echo "{state}";; esac')
    tools.program("apt-get", f'echo "$*" >> {log}').program("sudo", '"$@"')
    code, text = tools.run("tests/deps.sh", "there", "wanted")
    assert code == 0, text
    if installed:
        assert "everything is there" in text and not log.exists()
    else:
        assert "wanted" in text and log.read_text().split()[-1] == "wanted" and "there" not in log.read_text()


def test_help_names_every_target(tools):
    text = subprocess.run(["make", "help"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    for target in TARGETS:
        assert f"make {target} " in text, target


@pytest.mark.timeout(180)
def test_build_from_nothing_in_parallel(tmp_path):
    """No warning, and the second time there is nothing to do; then an editor's list of commands, each of which works as
    it stands there."""
    build = tmp_path / "b"
    words = ["make", "-j4", f"B={build}", "all"]
    done = subprocess.run(words, cwd=TOP, env=ENVIRONMENT, capture_output=True, text=True, timeout=150, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (build / "kernel.elf").exists() and (build / "fs.img").exists()
    again = subprocess.run(words, cwd=TOP, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "Nothing to be done" in again.stdout
    subprocess.run(["make", f"B={build}", "clean"], cwd=TOP, capture_output=True, check=True)
    assert not build.exists()


def test_compile_commands(tmp_path):
    commands = json.loads(subprocess.run(
        [sys.executable, "tests/compile_commands.py", "riscv64-unknown-elf-gcc -Ikernel", "riscv64-unknown-elf-gcc -Iuser/include"],
        cwd=TOP, capture_output=True, text=True, check=True).stdout)
    files = {entry["file"] for entry in commands}
    sources = {path.relative_to(TOP).as_posix() for part in ("kernel", "user") for path in (TOP / part).rglob("*.c")}
    assert files == sources
    for entry in commands:
        assert Path(entry["directory"]) == TOP and entry["command"].endswith(f" -c {entry['file']}")
