"""`make demo`: boots rvnet, runs nettests against the scripted peer, and prints a table of the results.

The verdicts are the host's: they come from the frames it saw. What the guest printed stands beside them.
Exit code 0 only if every test passed and nothing else went wrong (see Guest.problems).
"""

import argparse
import sys
import time

from . import qemu
from .control import Control
from .evidence import Evidence
from .host import Host
from .judges import JUDGES
from .qemu import Guest

PEER_IP, PEER_MAC = "10.0.2.100", "52:55:0a:00:02:64"
GATEWAY_IP, GATEWAY_MAC = "10.0.2.2", "52:55:0a:00:02:02"


def run_nettests(evidence, smp=2, tests=(), timeout=60, **guest_options):
    """One boot that runs the named tests (none: all); guest_options: see Guest. Returns ({test: failure or None}, guest's words,
    problems)."""
    command = " ".join(["nettests", *tests])
    expected = list(tests or JUDGES)
    with Guest(evidence, run=command, smp=smp, deadline=timeout, **guest_options) as guest:
        peer = Host(guest.links[0], PEER_IP, PEER_MAC)
        Host(guest.links[0], GATEWAY_IP, GATEWAY_MAC, forwards=True)
        control = Control(peer)
        problems = []
        try:
            code = guest.wait(timeout + 5)
            if code != 0 and not guest.timed_out:
                problems.append(f"expected exit code 0 of QEMU, got {code}")
        except AssertionError as error:
            problems.append(str(error))
    evidence.write("control", "".join(control.log))
    failures = control.failures(expected)
    words = {}
    for line in guest.console.text.splitlines():
        name, colon, rest = line.partition(": ")
        if colon and name in JUDGES:
            words[name] = rest
    for name in expected:
        said = words.get(name, "nothing")
        if name not in failures and said != "OK":
            problems.append(f"{name}: the guest said {said!r} though all its frames were right")
    return {name: failures.get(name) for name in expected}, words, problems + guest.problems()


def table(results, words):
    width = max(map(len, results))
    lines = [f"{'test':{width}}  host saw  guest said", f"{'-' * width}  --------  ----------"]
    for name, failure in results.items():
        lines.append(f"{name:{width}}  {'FAIL' if failure else 'ok':8}  {words.get(name, '(nothing)')}")
        if failure:
            lines.append(f"{'':{width}}  {failure}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--smp", type=int, default=2)
    parser.add_argument("tests", nargs="*", help="names of nettests; none: all")
    options = parser.parse_args()
    lacking = qemu.missing()
    if lacking:
        sys.exit(f"demo: {lacking}")
    started = time.monotonic()
    evidence = Evidence("demo", " ".join(["make demo"] if not options.tests else
                                         ["cd tests &&", sys.executable, "-m harness.demo", *options.tests]))
    print(f"booting rvnet on {options.smp} harts, nettests against the peer {PEER_IP} ...", flush=True)
    results, words, problems = run_nettests(evidence, options.smp, options.tests)
    print(table(results, words))
    for problem in problems:
        print(f"problem: {problem}")
    failed = sum(1 for failure in results.values() if failure)
    bad = failed or problems
    folder = evidence.finish("\n".join([f"{n}: {f}" for n, f in results.items() if f] + problems) if bad else None)
    if folder:
        print(f"evidence: {folder}")
    print(f"{len(results) - failed} passed, {failed} failed, {len(problems)} problems"
          f" in {time.monotonic() - started:.1f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
