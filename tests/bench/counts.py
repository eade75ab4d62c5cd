"""Where the instructions of one echo go, by function: `make profile`.

The plugin (count.c) counts by address ranges, which come from the symbol tables of the kernel and of the guest's
program. Counts, unlike times, are nearly the same on every machine.
"""

import argparse
import re
import struct
import subprocess
import sys
from pathlib import Path

from rig import BENCH, BUILD, PLUGIN, DEVICES, Failed, Rig

ROW = struct.Struct("8Q")  # struct row of count.c
COLUMNS = ("instructions", "entries", "device_reads", "device_writes", "tlb_flushes", "atomics", "csr",
           "bytes_stored")
OUTSIDE = "(outside)"
ECHOES = 4000
WARM_UP = 500


def nm_tool():
    for prefix in ("riscv64-unknown-elf-", "riscv64-linux-gnu-"):
        if not subprocess.run(["sh", "-c", f"command -v {prefix}nm"], capture_output=True).returncode:
            return prefix + "nm"
    sys.exit("counts: no nm for RISC-V (Debian package binutils-riscv64-unknown-elf)")


def functions_of(elf, prefix=""):
    """[(start, end, name)] in ascending order. A symbol of assembly code has no size: it ends at the next one."""
    listing = subprocess.run([nm_tool(), "-n", elf], capture_output=True, text=True, check=True).stdout
    symbols = re.findall(r"^([0-9a-f]+) [tTwW] (\S+)$", listing, re.M)
    found = []
    for address, name in symbols:
        if name.startswith((".L", "$")):
            continue
        address = int(address, 16)
        if found and found[-1][0] == address:
            continue  # another name of the same function
        if found:
            found[-1][1] = address
        found.append([address, address + 4096, prefix + name])
    return [tuple(f) for f in found]


class Counters:
    """The plugin's counters of one run. read() gives {function: {column: count}}, from the beginning."""

    def __init__(self, kernel, program=None):
        self.functions = functions_of(kernel)
        if program:
            self.functions += functions_of(program, "user:")
        self.functions.sort()
        self.names = [f[2] for f in self.functions] + [OUTSIDE]
        self.out = None

    def options(self, folder):
        """QEMU's options; the files lie in folder."""
        (folder / "map").write_text("".join(f"{start:x} {end:x}\n" for start, end, _ in self.functions))
        self.out = folder / "counts"
        return ["-plugin", f"{PLUGIN},map={folder}/map,out={self.out}"]

    def read(self):
        counts = {}
        for name, row in zip(self.names, ROW.iter_unpack(self.out.read_bytes())):
            total = counts.setdefault(name, dict.fromkeys(COLUMNS, 0))
            for column, value in zip(COLUMNS, row):
                total[column] += value
        return counts


def difference(after, before, divisor):
    """{function: {column: per echo}} of all functions that did something."""
    result = {}
    for name, row in after.items():
        values = {column: (row[column] - before[name][column]) / divisor for column in COLUMNS}
        if any(values.values()):
            result[name] = values
    return result


def totals(profile):
    return {column: sum(row[column] for row in profile.values()) for column in COLUMNS}


def measure(rig, counters, size, in_flight, echoes=ECHOES):
    """(profile per echo, guest counters per echo, the peer's answer)"""
    rig.ask(f"echo {size} {in_flight} {WARM_UP}")
    guest_before, before = rig.ask("counters"), counters.read()
    echo = rig.ask(f"echo {size} {in_flight} {echoes}")
    after, guest_after = counters.read(), rig.ask("counters")
    if echo["lost"] or echo["wrong"]:
        raise Failed(f"echo: {echo['lost']} lost, {echo['wrong']} wrong")
    guest = {name: (value - guest_before.get(name, 0)) / echoes for name, value in guest_after.items()}
    return difference(after, before, echoes), guest, echo


def table(profile, limit=60):
    total = totals(profile)
    lines = [f"{'function':38}{'instr/echo':>11}{'share':>7}{'entries':>9}{'dev.rd':>8}{'dev.wr':>8}"
             f"{'TLB fl.':>8}{'atomics':>8}{'CSRs':>8}{'stored':>8}"]

    def line(name, row):
        share = row["instructions"] / total["instructions"] * 100
        return (f"{name:38}{row['instructions']:11.1f}{share:6.1f}%{row['entries']:9.2f}{row['device_reads']:8.2f}"
                f"{row['device_writes']:8.2f}{row['tlb_flushes']:8.2f}{row['atomics']:8.2f}{row['csr']:8.2f}"
                f"{row['bytes_stored']:8.0f}")

    ordered = sorted(profile.items(), key=lambda item: -item[1]["instructions"])
    lines += [line(name, row) for name, row in ordered[:limit]]
    if len(ordered) > limit:
        rest = totals(dict(ordered[limit:]))
        lines.append(line(f"({len(ordered) - limit} more)", rest))
    lines.append(line("total", total))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="counts")
    parser.add_argument("--nic", choices=DEVICES, default="virtio-mmio")
    parser.add_argument("--smp", type=int, default=1)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--polled", action="store_true")
    options = parser.parse_args()
    kernel = BUILD / "kernel.elf"
    counters = Counters(kernel, BUILD / "bin" / "bench")
    with Rig(kernel, options.nic, options.smp, counters=counters) as rig:
        if options.polled:
            rig.ask("polled 1")
        profile, guest, echo = measure(rig, counters, options.size, options.in_flight)
    print(f"one echo of {options.size} bytes, {options.in_flight} in flight, {options.nic}, -smp {options.smp}"
          f"{', polled' if options.polled else ''}; counted over {echo['echoes']}\n")
    print(table(profile))
    print("\nthe guest's own counters, per echo")
    for name, value in sorted(guest.items()):
        if abs(value) >= 0.0005:
            print(f"  {name:40}{value:9.3f}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"counts: {failure}")
