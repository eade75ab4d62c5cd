"""Prints compile_commands.json for the kernel and the user programs.

usage: compile_commands.py 'KERNEL COMPILER AND FLAGS' 'USER COMPILER AND FLAGS'
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def entries(folder, command):
    for source in sorted((ROOT / folder).rglob("*.c")):
        name = source.relative_to(ROOT).as_posix()
        yield {"directory": str(ROOT), "file": name, "command": f"{command} -c {name}"}


if __name__ == "__main__":
    json.dump([*entries("kernel", sys.argv[1]), *entries("user", sys.argv[2])], sys.stdout, indent=1)
