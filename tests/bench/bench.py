"""`make bench`: rvnet against the emulator's floor, in one run, on one machine.

usage: bench.py [--quick] [--nic NIC ...] [--repeat N]

For each network card it boots the floor (floor/), and the kernel with one hart and with three, all at once; they
sleep while another is measured. Each figure is measured in short slices, in turns, so that a busy host is
busy for all of them; what is reported is the median. Results: a table, build/bench/results.json, and plots
(report.py).
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import budget
import report
from counts import Counters, measure, nm_tool, totals
from rig import BENCH, BUILD, DEVICES, Failed, Rig, Unsupported, boot_seconds, missing

KERNEL = BUILD / "kernel.elf"
SIZES = (1, 64, 512, 1472)
SLICE_MS = 250
FLOOD_MS = 300
# Offered rates, as parts of what the guest takes in a flood.
SWEEP = (0.1, 0.25, 0.5, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0, 3.0)
SWEEPS = 5
PAIRS = 40  # of slices that compare numbers of harts
PAIR_MS = 150
LOSS_ALLOWED = 0.01


def say(text):
    print(text, flush=True)


def event_counts(rig, echo):
    """Doorbells and the like per echo: what the guest counted around one measurement."""
    before = rig.ask("counters")
    answer = rig.ask(echo)
    after = rig.ask("counters")
    events = {}
    for kind in ("doorbells", "interrupts", "polls", "switches"):
        total = sum(value - before.get(name, 0) for name, value in after.items() if name.endswith("." + kind))
        events[kind] = total / max(answer["echoes"], 1)
    return answer, events


def slices(rig):
    """One slice of every repeated figure, 64 bytes."""
    one = rig.ask(f"echo 64 1 1000000 {SLICE_MS}")
    eight = rig.ask(f"echo 64 8 1000000 {SLICE_MS}")
    many, events = event_counts(rig, f"echo 64 32 1000000 {SLICE_MS}")
    blast = rig.ask(f"blast 64 {SLICE_MS}")
    bad = sum(answer["wrong"] for answer in (one, eight, many))
    return {"round_trip_us": one["median_us"], "round_trip_p99_us": one["p99_us"], "echo_1": one["rate"],
            "echo_8": eight["rate"], "echo_32": many["rate"],
            "echo_32_loss": many["lost"] / max(many["echoes"] + many["lost"], 1), "wrong": bad,
            "transmit": blast["rate"], **events}


def sweep(rig, rates=()):
    """Offered against delivered datagrams a second, ascending; the last point is the flood without a limit."""
    flood = rig.ask(f"flood 64 0 {FLOOD_MS}")
    rates = rates or [max(1, int(flood["delivered"] * part)) for part in SWEEP]
    points = [rig.ask(f"flood 64 {rate} {FLOOD_MS}") for rate in rates]
    floods = [flood] + [rig.ask(f"flood 64 0 {FLOOD_MS}") for _ in range(2)]
    floods.sort(key=lambda point: point["delivered"])
    return [{key: point[key] for key in ("asked", "offered", "delivered", "loss")} for point in [*points, floods[1]]]


def receive_figures(points):
    """Of the sweeps' medians: the best of single measurements would be the luckiest one."""
    best = max(point["delivered"] for point in points)
    kept = [point["delivered"] for point in points if point["loss"] <= LOSS_ALLOWED]
    return {"receive": max(kept, default=0), "receive_best": best, "flood": points[-1]["delivered"],
            "flood_part": points[-1]["delivered"] / best if best else 0}


def medians(rows):
    """One dictionary of figures for several."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def sizes(rig):
    result = {}
    for size in SIZES:
        result[size] = {"echo_8": rig.ask(f"echo {size} 8 1000000 {SLICE_MS}")["rate"],
                        "transmit": rig.ask(f"blast {size} {SLICE_MS}")["rate"]}
    return result


class Subject:
    """One machine in one mode: what is a column of the results. rates: for sweep()."""

    def __init__(self, rig, nic, smp, polled=False, bare=False, rates=()):
        self.rig, self.polled, self.rates, self.slices, self.sweeps = rig, polled, rates, [], []
        self.result = {"nic": nic, "smp": smp, "mode": "polled" if polled else "interrupt", "floor": bare}
        rig.place()

    def _in_mode(self, function):
        """A machine that polls takes a core, so it does that only while it is measured."""
        if self.polled:
            self.rig.ask("polled 1")
        try:
            return function(self.rig)
        finally:
            if self.polled:
                self.rig.ask("polled 0")

    def slice(self):
        self.slices.append(self._in_mode(slices))

    def offer(self):
        self.sweeps.append(self._in_mode(lambda rig: sweep(rig, self.rates)))

    def finish(self):
        for key in self.slices[0]:
            values = [one[key] for one in self.slices]
            self.result[key] = max(values) if key in ("echo_32_loss", "wrong") else statistics.median(values)
        self.result["sweep"] = [medians(points) for points in zip(*self.sweeps)]
        self.result.update(receive_figures(self.result["sweep"]))
        self.result["sizes"] = self._in_mode(sizes)
        return self.result


def offer_in_turns(subjects, what, rounds=SWEEPS):
    for number in range(rounds):
        say(f"{what}: offered load, round {number + 1} of {rounds}")
        for subject in subjects:
            subject.offer()


def compare_harts(kernels):
    """{harts: echoes a second with 8 in flight}; medians of slices in turns, many, for a small difference counts."""
    rates = {smp: [] for _, smp in kernels}
    for rig, _ in kernels:
        rig.place(together=True)
    for _ in range(PAIRS):
        for rig, smp in kernels:
            rates[smp].append(rig.ask(f"echo 64 8 1000000 {PAIR_MS}")["rate"])
    return {smp: statistics.median(values) for smp, values in rates.items()}


def measure_nic(nic, harts, modes, repeat):
    """The results of one card, the floor's first, and compare_harts(). Unsupported if the kernel does not drive it."""
    rigs = []
    try:
        kernels = []
        for smp in harts:
            rigs.append(Rig(KERNEL, nic, smp))
            kernels.append((rigs[-1], smp))
        rigs.append(Rig(BENCH / "floor.elf", nic, 1, bare=True))
        subjects = [Subject(rigs[-1], nic, 1, bare=True)]
        subjects += [Subject(rig, nic, smp, polled) for polled in modes for rig, smp in kernels]
        for number in range(repeat):
            say(f"{nic}: round {number + 1} of {repeat}")
            for subject in subjects:
                subject.slice()
        offer_in_turns(subjects, nic)
        return [subject.finish() for subject in subjects], compare_harts(kernels)
    finally:
        for rig in rigs:
            rig.close()


def shell_during_flood(nic="virtio-mmio"):
    """Milliseconds until the shell carries out a command in the middle of a flood without a limit."""
    with Rig(KERNEL, nic) as rig:
        rig.begin("flood 64 0 2000")
        time.sleep(0.7)  # well into the flood; nothing waits for this
        begin = time.monotonic()
        rig.console.send("echo a''live\n")
        try:
            rig.console.expect("alive", 10)
            waited = (time.monotonic() - begin) * 1000
        except AssertionError:
            waited = None
        rig.finish("flood")
        return waited


def counted():
    """Counts by size, and those of the budget; on one hart, where they are exact."""
    counters = Counters(KERNEL, BUILD / "bin" / "bench")
    result = {"by_size": {}}
    with Rig(KERNEL, counters=counters) as rig:
        for size in SIZES:
            total = totals(measure(rig, counters, size, 8)[0])
            result["by_size"][size] = total
    values, _ = budget.take()
    result.update({"budget": values, "copies": values["copies"],
                   "crowd": values["instructions_crowd"] / values["instructions_8_in_flight"]})
    floor = Counters(BENCH / "floor.elf")
    with Rig(BENCH / "floor.elf", bare=True, counters=floor) as rig:
        result["floor"] = {size: totals(measure(rig, floor, size, 8)[0]) for size in SIZES}
    return result


def image_bytes():
    """What QEMU loads: from the first byte of text to where .bss begins."""
    listing = subprocess.run([nm_tool(), KERNEL], capture_output=True, text=True, check=True).stdout
    address = dict((name, int(value, 16)) for value, name in re.findall(r"^([0-9a-f]+) \S (\S+)$", listing, re.M))
    return address["kernel_bss_start"] - address["kernel_text_start"]


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    version = subprocess.run(["qemu-system-riscv64", "--version"], capture_output=True, text=True, check=True).stdout
    return {"date": time.strftime("%Y-%m-%d %H:%M"), "processor": model.group(1) if model else platform.machine(),
            "cores": os.cpu_count(), "qemu": version.split("\n")[0], "load_average": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--quick", action="store_true", help="virtio-mmio with interrupts and one hart only")
    parser.add_argument("--nic", action="append", choices=DEVICES, help="only this card")
    parser.add_argument("--repeat", type=int, default=5, help="slices of each figure (default 5)")
    options = parser.parse_args()
    lacking = missing()
    if lacking:
        sys.exit(f"bench: {lacking}")
    failed = False
    results = {"machine": machine(), "subjects": [], "harts": {}, "skipped": {}}
    say(f"bench: {results['machine']}")
    for nic in options.nic or (["virtio-mmio"] if options.quick else list(DEVICES)):
        try:
            subjects, results["harts"][nic] = measure_nic(nic, (1,) if options.quick else (1, 3),
                                                          (False,) if options.quick else (False, True), options.repeat)
            results["subjects"] += subjects
        except Unsupported as reason:
            results["skipped"][nic] = f"skipped: {reason}"
        except Failed as reason:
            results["skipped"][nic] = f"failed: {reason}"
            failed = True
        if nic in results["skipped"]:
            say(f"{nic}: {results['skipped'][nic]}")
    say("counts, boot and shell")
    results["counts"] = counted()
    results["boot_s"] = statistics.median(boot_seconds(KERNEL) for _ in range(3))
    results["image_bytes"] = image_bytes()
    results["shell_ms"] = shell_during_flood()
    results["machine"]["load_average_after"] = os.getloadavg()[0]
    (BENCH / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    text = report.table(results)
    (BENCH / "table.txt").write_text(text + "\n")
    say("\n" + text)
    say(f"\n{BENCH / 'results.json'}, table.txt beside it" + report.plot(results, BENCH))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"bench: {failure}")
