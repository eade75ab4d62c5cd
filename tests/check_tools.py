"""Names a missing tool with its package, and a QEMU that is too old with what it lacks.

usage: check_tools.py QEMU COMPILER
"""

import importlib.util
import re
import shutil
import subprocess
import sys

QEMU_NEEDED = (7, 2)
MODULES = {"pytest": "python3-pytest", "xdist": "python3-pytest-xdist", "pytest_timeout": "python3-pytest-timeout",
           "scapy": "python3-scapy", "pexpect": "python3-pexpect"}


def problems(qemu, compiler):
    if shutil.which(qemu) is None:
        yield f"{qemu} is missing (Debian package qemu-system-misc)"
    else:
        said = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"version (\d+)\.(\d+)", said.stdout)
        version = tuple(map(int, found.groups())) if found else None
        if version is None:
            yield f"{qemu} --version: expected a version, got {(said.stdout + said.stderr).strip()!r}"
        elif version < QEMU_NEEDED:
            yield (f"{qemu} is version {version[0]}.{version[1]}; 7.2 is needed: before it there is no "
                   "`-netdev dgram` with a descriptor and no Sstc timer")
    if shutil.which(compiler) is None:
        yield f"{compiler} is missing (Debian package gcc-riscv64-unknown-elf)"
    for module, package in MODULES.items():
        if importlib.util.find_spec(module) is None:
            yield f"Python module {module} is missing for {sys.executable} (Debian package {package})"


if __name__ == "__main__":
    found = list(problems(*sys.argv[1:3]))
    for problem in found:
        print(f"rvnet: {problem}", file=sys.stderr)
    if found:
        sys.exit("rvnet: `make deps` installs what is missing on Debian")
