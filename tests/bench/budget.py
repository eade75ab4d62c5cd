"""What one echo may cost, in counts: the check that `make test` runs (test_budget.py).

usage: budget.py [--update]     measures, prints the table, and exits 1 if a row is above its limit; --update
                                writes budget.tsv and profile.tsv anew

Nothing here depends on time. How many datagrams the guest finds at each of its wake-ups does depend on the
host's mood, so the instructions are taken apart: `per_datagram` and `per_wakeup` are the line through what an echo
costs with one in flight (a wake-up each) and with 32 (few wake-ups). A row fails when the measured value is above

    limit * (1 + tolerance / 100) + slack

and the failure names the functions that have grown since profile.tsv was stored.
"""

import argparse
import statistics
import sys
from pathlib import Path

from counts import COLUMNS, Counters, measure, totals
from rig import BUILD, Failed, Rig, missing

HERE = Path(__file__).resolve().parent
BUDGET = HERE / "budget.tsv"
PROFILE = HERE / "profile.tsv"
CROWD = "crowd 100 1000"  # sockets, ARP entries
HEADING = "row\tlimit\ttolerance\tslack\tmeaning"
PROFILES = ("1", "32")  # in flight: the columns of profile.tsv

# row -> tolerance in per cent, slack, meaning. The wake-ups' tolerance covers both ways in which an interrupt can come: to a
# hart that idles, which serves it where it is, or just before, which costs a trap: some 100 instructions and 8 CSRs. The
# last three depend on the host's mood most: their limits catch one for each datagram, where there is to be one for each
# batch. A row near zero has a slack: some per cent of nothing is nothing, and the timer ticks.
ROWS = {
    "instructions_per_datagram": (6, 0, "instructions of one echo without the wake-ups, 64 bytes"),
    "instructions_per_wakeup": (15, 0, "instructions of an interrupt, a poll and the switches to thread and program"),
    "instructions_8_in_flight": (12, 0, "instructions of one echo, wake-ups included"),
    "instructions_crowd": (12, 0, "the same beside 100 open sockets and 1,000 ARP entries"),
    "instructions_per_byte": (5, 0, "what each further byte of payload costs"),
    "copies": (4, 0, "bytes stored for each byte of payload, both ways together"),
    "tlb_flushes": (0, 0.01, "instructions that make QEMU forget translations"),
    "atomics": (5, 0.5, "lr, sc and amo of one echo without the wake-ups: locks and counters"),
    "csr_per_datagram": (5, 0.5, "accesses to CSRs of one echo without the wake-ups: QEMU leaves its fast path"),
    "csr_per_wakeup": (50, 0, "the same for a wake-up"),
    "doorbells": (100, 0.1, "of both rings, 32 in flight"),
    "interrupts": (30, 0.1, "32 in flight"),
    "switches": (30, 0.2, "context switches, 32 in flight"),
    "signals": (0, 0.03, "signals from hart to hart of one echo on three harts, 1 in flight"),
}


def sum_of(guest, ending):
    return sum(value for name, value in guest.items() if name.endswith(ending))


class Line:
    """What an echo costs as a straight line over how many wake-ups it takes, by column of the plugin."""

    def __init__(self, one, one_guest, many, many_guest):
        """Two measurements: (profile, guest's counters), with many wake-ups an echo and with few."""
        few, often = sum_of(many_guest, ".polls"), sum_of(one_guest, ".polls")
        many_total, one_total = totals(many), totals(one)
        self.per_wakeup = {column: (one_total[column] - many_total[column]) / (often - few) for column in COLUMNS}

    def without_wakeups(self, profile, guest, column):
        return totals(profile)[column] - sum_of(guest, ".polls") * self.per_wakeup[column]


def eight_in_flight(rig, counters):
    """Instructions of an echo: the median of several looks, since the host decides how many arrive at a time."""
    looks = [measure(rig, counters, 64, 8, 1500)[0] for _ in range(7)]
    return statistics.median(totals(profile)["instructions"] for profile in looks)


def signals(kernel, program):
    """Each costs a host thread's wake-up, and moves the work to where the locks are not."""
    counters = Counters(kernel, program)
    with Rig(kernel, smp=3, counters=counters) as rig:
        profile, _, _ = measure(rig, counters, 64, 1, 1500)
    return profile.get("ipi_send", {"entries": 0})["entries"]


def take(kernel=BUILD / "kernel.elf", program=BUILD / "bin" / "bench"):
    """({row: value}, {in flight: {function: instructions}}) of one run."""
    counters = Counters(kernel, program)
    with Rig(kernel, counters=counters) as rig:
        one, one_guest, _ = measure(rig, counters, 64, 1, 1500)
        eight = eight_in_flight(rig, counters)
        many, many_guest, _ = measure(rig, counters, 64, 32, 4000)
        large, large_guest, _ = measure(rig, counters, 1472, 32, 4000)
        rig.ask(CROWD)
        crowd = eight_in_flight(rig, counters)
    line = Line(one, one_guest, many, many_guest)

    def slope(column):
        return (line.without_wakeups(large, large_guest, column)
                - line.without_wakeups(many, many_guest, column)) / (1472 - 64)

    values = {
        "instructions_per_datagram": line.without_wakeups(many, many_guest, "instructions"),
        "instructions_per_wakeup": line.per_wakeup["instructions"],
        "instructions_8_in_flight": eight,
        "instructions_crowd": crowd,
        "instructions_per_byte": slope("instructions"),
        "copies": slope("bytes_stored"),
        "tlb_flushes": totals(many)["tlb_flushes"],
        "atomics": line.without_wakeups(many, many_guest, "atomics"),
        "csr_per_datagram": line.without_wakeups(many, many_guest, "csr"),
        "csr_per_wakeup": line.per_wakeup["csr"],
        "doorbells": sum_of(many_guest, ".doorbells"),
        "interrupts": sum_of(many_guest, ".interrupts"),
        "switches": sum_of(many_guest, ".switches"),
        "signals": signals(kernel, program),
    }
    profiles = {"1": one, "32": many}
    return values, {key: {name: row["instructions"] for name, row in profile.items()}
                    for key, profile in profiles.items()}


def read_table(path):
    lines = path.read_text().splitlines()
    return [line.split("\t") for line in lines[1:] if line]


def limits():
    return {row: (float(limit), float(tolerance), float(slack)) for row, limit, tolerance, slack, _ in
            read_table(BUDGET)}


def stored_profiles():
    stored = {key: {} for key in PROFILES}
    for name, *values in read_table(PROFILE):
        for key, value in zip(PROFILES, values):
            stored[key][name] = float(value)
    return stored


def growth(profiles, count=5):
    """The functions that grew most, as a text. With one in flight every wake-up counts in full."""
    stored, texts = stored_profiles(), []
    for key in PROFILES:
        old, new = stored[key], profiles[key]
        grown = sorted(((new.get(name, 0) - old.get(name, 0), name) for name in {*old, *new}), reverse=True)[:count]
        texts.append(f"grown most with {key} in flight (instructions an echo): " + ", ".join(
            f"{name} {old.get(name, 0):.0f} -> {new.get(name, 0):.0f}" for change, name in grown if change >= 1))
    return "\n".join(texts)


def excesses(values):
    """[text] of the rows above their limits."""
    found = []
    for row, (limit, tolerance, slack) in limits().items():
        most = limit * (1 + tolerance / 100) + slack
        if values[row] > most:
            found.append(f"{row}: {values[row]:.3f} an echo, expected at most {limit:g} + {tolerance:g} % + {slack:g} "
                         f"= {most:.3f}")
    return found


def update(values, profiles):
    lines = [HEADING] + [f"{row}\t{values[row]:.3f}\t{tolerance}\t{slack}\t{meaning}"
                         for row, (tolerance, slack, meaning) in ROWS.items()]
    BUDGET.write_text("\n".join(lines) + "\n")
    names = sorted({name for key in PROFILES for name in profiles[key]},
                   key=lambda name: -profiles["32"].get(name, 0))
    lines = ["function\t" + "\t".join(f"{key} in flight" for key in PROFILES)]
    lines += ["\t".join([name] + [f"{profiles[key].get(name, 0):.1f}" for key in PROFILES]) for name in names]
    PROFILE.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(prog="budget")
    parser.add_argument("--update", action="store_true", help="store what is measured as the new budget")
    options = parser.parse_args()
    lacking = missing()
    if lacking:
        sys.exit(f"budget: {lacking}")
    values, profiles = take()
    if options.update:
        update(values, profiles)
    for row, (limit, _, _) in limits().items():
        print(f"{row:28}{values[row]:10.3f}   limit {limit:10.3f}")
    found = excesses(values)
    if found:
        print("\n".join(["", *found, growth(profiles)]))
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"budget: {failure}")
