#!/usr/bin/python3
"""The include rule: which folder of kernel/ may include which headers.

The rule keeps the stack free of drivers and system calls, drivers free of protocols, and everything testable on the
host. Run without arguments from anywhere; prints each violation and exits 1 if there is one. It also compiles every
header alone, and checks that a .c file includes its own header first.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KERNEL = ROOT / "kernel"
LOCKS = {"proc/spinlock.h", "proc/sleeplock.h", "proc/waitq.h", "proc/clock.h"}

# folder -> folders and single headers that it may include, besides itself, lib/ and abi/
ALLOWED = {
    "abi": set(),
    "lib": set(),
    "arch": set(),
    "mm": {"arch", "proc/spinlock.h"},
    "proc": {"arch", "mm"},
    "virtio": {"arch", "mm", "dev/pci.h"} | LOCKS,
    "net": {"mm/kalloc.h", "mm/uio.h", "fs/file.h", "proc/kthread.h"} | LOCKS,
    "dev": {"arch", "mm", "proc", "virtio", "net/mbuf.h", "net/netdev.h", "fs/buf.h", "fs/file.h"},
    "fs": {"mm", "proc", "dev/block.h"},
    "sys": {"arch", "mm", "proc", "fs", "net"},
}
# Initialisation and dispatch include what they need.
EXEMPT = {"boot/main.c", "boot/start.c", "boot/fdt.c", "boot/fdt.h", "arch/trap.c", "arch/irq.c"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}


def violations(path):
    name = path.relative_to(KERNEL).as_posix()
    folder = name.split("/")[0]
    includes = INCLUDE.findall(path.read_text())
    for kind, header in includes:
        if kind == "<":
            if header not in FREESTANDING:
                yield f"{name}: <{header}> is not part of a freestanding compiler"
        elif not (KERNEL / header).is_file():
            yield f'{name}: "{header}" is not a path below kernel/'
        elif name not in EXEMPT:
            target = header.split("/")[0]
            if target not in {folder, "lib", "abi"} and not {target, header} & ALLOWED[folder]:
                yield f"{name}: {folder}/ may not include {header}"
    own = name[:-1] + "h"
    if name.endswith(".c") and (KERNEL / own).is_file():
        first = next((header for kind, header in includes if kind == '"'), None)
        if first != own:
            yield f"{name}: includes {first} before its own header {own}"


def compiles_alone(header):
    command = ["gcc", "-std=gnu11", "-ffreestanding", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
               f"-I{KERNEL}", "-x", "c", str(header)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        yield f"{header.relative_to(KERNEL)}: does not compile alone:\n{result.stderr}"


def check():
    found = []
    for path in sorted(KERNEL.rglob("*.[ch]")):
        found += violations(path)
        if path.suffix == ".h":
            found += compiles_alone(path)
    return found


if __name__ == "__main__":
    problems = check()
    print("\n".join(problems) or "include rule: kept")
    sys.exit(1 if problems else 0)
