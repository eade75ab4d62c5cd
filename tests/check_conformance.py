"""The conformance table is true to the tests: every row has a verdict, and every test that a row names exists.

    python3 tests/check_conformance.py      prints what is wrong, then the summary

tests/conformance.tsv has a line for each requirement on a driver of virtio 1.2 (and what 1.3 and 1.4 add), for each
on an IPv4 host, and for each rule about the 82540EM. The verdicts:
    pass             the tests named show it; they run in every `make test`
    fail             it is not kept; no such row is tolerated
    not applicable   the requirement does not bind us, with the reason: most often a feature not negotiated
    deviation        it binds and is not kept, on purpose or not yet, with the reason; tests show what happens instead
A test is PROGRAM:TEST, a cmocka test that main() of tests/unit/PROGRAM.c lists, or a pytest node id, without
its parameters where all of them count. A rule of the recorder is further bound to the rows that it says it shows.
"""

import collections
import csv
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))

from harness import rules_e1000, rules_rings, rules_transport, rules_virtio  # noqa: E402

COLUMNS = ["id", "level", "requirement", "verdict", "reason", "test"]
VERDICTS = ("pass", "fail", "not applicable", "deviation")
# How many rows each group has, so that none gets lost.
GROUPS = {"ST": 4, "FB": 4, "RS": 1, "CF": 5, "VR": 3, "SQ": 27, "PQ": 17, "IN": 15, "CL": 2, "PCI": 37, "MMIO": 32,
          "NET": 62, "BLK": 19, "RF": 13, "NETDEP": 6, "P": 32, "LEG": 12, "V13": 16, "V14": 3,
          "L": 10, "A": 6, "I": 16, "F": 7, "R": 6, "B": 4, "C": 18, "U": 11, "E1K": 79}
RULE_TESTS = {"test_virtio": rules_virtio.rules, "test_transport": rules_transport.rules,
              "test_rings": rules_rings.rules, "test_e1000": rules_e1000.rules}
RULE = re.compile(r"tests/system/test_recorder\.py::(\w+)\[(\w+)\]")


def rows():
    with open(TESTS / "conformance.tsv", newline="", encoding="utf-8") as file:
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert table.fieldnames == COLUMNS, f"columns {table.fieldnames}, expected {COLUMNS}"
        return list(table)


def group(row):
    return re.match(r"E1K|V1[34]|[A-Z]+(?=\d)|[^-]+", row["id"]).group(0)


def unit_tests():
    """PROGRAM:TEST of every test function that main() lists, with or without the prefix that some leave to a macro."""
    found = set()
    for source in (TESTS / "unit").glob("test_*.c"):
        tests, _, main = source.read_text().partition("int main(void)")
        listed = set(re.findall(r"\w\((\w+)[,)]", main))
        found |= {f"{source.stem}:test_{name}" for name in re.findall(r"^static void test_(\w+)\(", tests, re.M)
                  if {name, f"test_{name}"} & listed}
    return found


def pytest_tests():
    """The node ids that pytest finds, with and without their parameters."""
    result = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
                             str(TESTS / "system"), str(TESTS / "unit")],
                            cwd=TESTS.parent, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"pytest cannot collect:\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
    nodes = {line.strip() for line in result.stdout.splitlines() if "::" in line}
    return nodes | {node.split("[")[0] for node in nodes}


def row_faults(row, known):
    tests = (row["test"] or "").split()
    if row["verdict"] not in VERDICTS:
        yield f"verdict {row['verdict']!r}, expected one of {', '.join(VERDICTS)}"
    if row["verdict"] == "fail":
        yield f"fails: {row['reason']}"
    if row["verdict"] == "pass" and not tests:
        yield "passes without a test"
    if row["verdict"] in ("not applicable", "deviation") and not row["reason"]:
        yield f"{row['verdict']} without a reason"
    if not row["requirement"]:
        yield "says nothing"
    for test in tests:
        rule = RULE.fullmatch(test)
        if test not in known:
            yield f"no such test: {test}"
        elif rule and row["verdict"] == "pass" and row["id"] not in RULE_TESTS[rule[1]][rule[2]].rows:
            yield f"{test} does not say that it shows this row"


def check():
    """What is wrong with the table, as texts."""
    table = rows()
    known = unit_tests() | pytest_tests()
    ids = collections.Counter(row["id"] for row in table)
    found = [f"{name}: {count} rows" for name, count in ids.items() if count > 1]
    counts = collections.Counter(map(group, table))
    found += [f"group {name}: {counts[name]} rows, expected {expected}"
              for name, expected in GROUPS.items() if counts[name] != expected]
    found += [f"{row['id']}: {fault}" for row in table for fault in row_faults(row, known)]
    for rules in RULE_TESTS.values():
        found += [f"rule {rule.name} shows {row}, which is no row"
                  for rule in rules.values() for row in rule.rows if row not in ids]
    return found


def summary():
    counts = collections.defaultdict(collections.Counter)
    for row in rows():
        for name in (group(row), "all"):
            counts[name][row["verdict"]] += 1
    names = [name for name in GROUPS if name in counts] + ["all"]
    lines = ["rows    " + "".join(f"{verdict:>16}" for verdict in VERDICTS)]
    return "\n".join(lines + [f"{name:8}" + "".join(f"{counts[name][verdict] or '-':>16}" for verdict in VERDICTS)
                              for name in names])


if __name__ == "__main__":
    FAULTS = check()
    print("\n".join(FAULTS + [summary()]))
    sys.exit(bool(FAULTS))
