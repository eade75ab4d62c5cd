"""make grade LAB=n [TREE=path] [CASES="name ..."] [JOBS=2]: grades one submission.

TREE is the submission, a folder; without it the tree that this file is in. The cases, the harness, the guest's
programs and the peers are this tree's own. One QEMU a case. Prints a table and, for each failed case, what
was done, what differed, and how to see it again; writes into OUT (default build/labs/LAB-...):

    results.json   as Gradescope's autograder reads it        results.xml   JUnit
    evidence/      a folder for each failed case              build.log     if it did not build

Exit code: 0 full marks, 1 less, 3 it did not build.
"""

import argparse
import concurrent.futures
import fcntl
import itertools
import json
import os
import re
import shlex
import shutil
import sys
import time
import traceback
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import NamedTuple, Optional

import build
import casebook
import sources


EVIDENCE = ("nic0.pcap", "nic0.frames", "console", "qemu.log", "output")  # the others are for who knows the harness
AUDITED = re.compile(r"nic\d+: frame \d+: ([^:]+):")  # see harness/link.py


class Result(NamedTuple):
    case: casebook.Case
    failure: Optional[str]  # the whole story; None: passed
    summary: str            # one line
    seconds: float
    faults: frozenset = frozenset()  # kinds of faults that the audit of the frames found
    only_faults: bool = False        # and nothing else is wrong


def story(case, session, failure, folder, rerun):
    """What a student is told of a failed case."""
    lines = [f"{case.name}: {case.text}", "  what was done:"]
    steps = [(step, len(list(same))) for step, same in itertools.groupby(session.steps if session else [])]
    lines += [f"    {n}. {step}" + (f" ({times} times)" if times > 1 else "") for n, (step, times) in enumerate(steps, 1)]
    lines.append(f"  what differs: {failure}")
    frame = getattr(failure, "frame", None)
    if frame is not None and session is not None:
        records = session.link.frames[frame:frame + 1]
        lines += [f"  first frame {'that differs' if r.direction == 'from guest' else 'of this step'}: number {frame} of "
                  f"nic0.frames, {r.direction}: {sys.modules['session'].wire.describe(r.frame)}" for r in records]
    if getattr(failure, "cause", None):
        lines.append(f"  likely cause: {failure.cause}")
    files = [file for file in EVIDENCE if (folder / file).exists()]  # without a machine there are others
    lines.append(f"  evidence: {folder} ({', '.join(files)})" if files else "  evidence: none but this")
    lines.append(f"  again: {rerun}")
    return "\n".join(lines)


def run_guest(case, evidence):
    """Runs one case on a machine of its own. Returns (session, failure)."""
    from session import Failure, Session
    session = failure = None
    try:
        options = {k: v for k, v in case.options.items() if k in ("card", "smp", "nic", "hosts", "patch", "record")}
        session = Session.__new__(Session)
        session.steps = []
        session.__init__(evidence, **options)
        case.run(session)
        session.link.wait_for(lambda _: False, timeout=0)
    except Failure as found:
        failure = found
    finally:
        if hasattr(session, "guest"):
            session.close()
            evidence.write("steps", "\n".join(session.steps) + "\n")
    if failure is None:
        problems = session.guest.problems(case.options.get("allow", ()))
        if problems:
            failure = Failure("every frame and every use of the device obeys the rules", "no fault", problems[0])
            failure.only_faults = all(AUDITED.match(problem) for problem in problems)
    return session, failure


def settle(results):
    """A fault that the audit finds in the frames of many cases costs points once: in a case that fails for its own
    reasons as well, or else in the first that shows it."""
    paid = set().union(*(r.faults for r in results if r.failure and not r.only_faults and r.case.points))
    settled = []
    for r in results:
        if r.only_faults and r.case.points and r.faults <= paid:
            r = r._replace(failure=None, summary=f"with a fault that costs points elsewhere: {', '.join(sorted(r.faults))}")
        elif r.failure and r.case.points:
            paid |= r.faults
        settled.append(r)
    return settled


class Grader:
    def __init__(self, folder, book, tree, out):
        self.folder, self.book, self.tree, self.out = folder, book, tree, out

    def rerun(self, case):
        tree = "" if self.tree == sources.TOP else f" TREE={shlex.quote(plain(str(self.tree)))}"
        return f"make grade LAB={sources.lab_number(self.folder)}{tree} CASES={case.name}"

    def run(self, case):
        from harness.evidence import Evidence
        started = time.monotonic()
        evidence = Evidence(case.name, self.rerun(case))
        try:
            runner = run_guest if case.options.get("guest", True) else case.options["bench"]
            session, failure = runner(case, evidence)
            text = story(case, session, failure, evidence.path, self.rerun(case)) if failure else None
            summary = str(failure).replace("\n", " ")[:300] if failure else ""
        except Exception:  # of the grader itself: it is shown, and costs this case only
            text = summary = f"{case.name}: the grader failed:\n{traceback.format_exc()}"
            session = failure = None
        evidence.finish(text)
        return Result(case, text, summary, time.monotonic() - started, audited(session),
                      getattr(failure, "only_faults", False))


def audited(session):
    """The kinds of faults in the frames of a machine that has ended."""
    problems = session.guest.problems() if hasattr(session, "guest") else []
    return frozenset(found.group(1) for problem in problems if (found := AUDITED.match(problem)))


def select(book, names):
    if not names:
        return book.cases
    unknown = set(names) - {case.name for case in book.cases}
    if unknown:
        sys.exit(f"grade: no case {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in book.cases)}")
    return [case for name in names for case in book.cases if case.name == name]


def run_all(grader, cases, jobs, first_failure=False):
    if first_failure:
        results = []
        for case in cases:
            results.append(grader.run(case))
            if results[-1].failure and case.points:
                break
        return results
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return settle(list(pool.map(grader.run, cases)))


# --- reports ---


def table(book, results, others):
    width = max(len(r.case.name) for r in results)
    lines = [f"{book.title}", ""]
    for r in results:
        points = f"{0 if r.failure else r.case.points:3}/{r.case.points:<3}"
        mark = "FAIL" if r.failure else "ok"
        lines.append(f"  {r.case.name:{width}}  {mark:4} {points} {r.seconds:5.1f} s  {r.case.text}")
        if r.summary and not r.failure:
            lines.append(f"  {'':{width}}  {r.summary}")
    got, most = score(results)
    lines += ["", f"  score: {got} of {most}"]
    if others:
        lines.append(f"  changed, but not part of this lab and not taken: {', '.join(others[:12])}"
                     + (f" and {len(others) - 12} more" if len(others) > 12 else ""))
    return "\n".join(lines)


def score(results):
    return sum(r.case.points for r in results if not r.failure), sum(r.case.points for r in results)


def gradescope(results, others, seconds, build_failure=None):
    got, most = score(results)
    output = f"build failed:\n{build_failure}" if build_failure else f"{got} of {most} points"
    if others:
        output += f"\nnot taken: {', '.join(others)}"
    tests = [{"name": f"{r.case.name}: {r.case.text}", "score": 0 if r.failure else r.case.points,
              "max_score": r.case.points, "status": "failed" if r.failure else "passed",
              "output": ("" if not r.failure else r.summary if r.case.hidden else r.failure)}
             for r in results]
    return {"score": got, "output": output, "execution_time": round(seconds), "tests": tests}


def junit(book, results):
    suite = xml.Element("testsuite", name=book.title, tests=str(len(results)),
                        failures=str(sum(1 for r in results if r.failure)))
    for r in results:
        one = xml.SubElement(suite, "testcase", classname=book.title, name=r.case.name, time=f"{r.seconds:.2f}")
        if r.failure:
            xml.SubElement(one, "failure", message=clean(r.summary)).text = clean(r.failure)
    return xml.tostring(suite, encoding="unicode")


def plain(text):
    """Bytes of a file's name that are no UTF-8 as \\udcNN: else no file can be written in which the name stands."""
    return text.encode("utf-8", "backslashreplace").decode()


def clean(text):
    return "".join(c if c >= " " or c in "\n\t" else "?" for c in text)


def write(out, book, results, others, seconds, build_failure=None):
    (out / "results.json").write_text(
        json.dumps(gradescope(results, others, seconds, build_failure), indent=1) + "\n")
    (out / "results.xml").write_text(junit(book, results) + "\n")


def main():
    parser = argparse.ArgumentParser(prog="grade")
    parser.add_argument("lab", type=int)
    parser.add_argument("--tree", type=Path, default=sources.TOP)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--base", type=Path, help="a built reference (see build.reference)")
    parser.add_argument("--first-failure", action="store_true", help="stop at it")
    parser.add_argument("--keep-build", action="store_true")
    parser.add_argument("--cases", nargs="*", metavar="NAME", help="only these, in this order")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")

    started = time.monotonic()
    folder = sources.lab_folder(options.lab)
    book = casebook_of(folder)
    tree = options.tree.resolve()
    out = (options.out or sources.TOP / "build/labs" / plain(f"{folder.name}-{tree.name}")).resolve()
    out.mkdir(parents=True, exist_ok=True)
    alone_in(out)
    for file in ("results.json", "results.xml", "build.log"):  # of a run before, of another submission perhaps
        (out / file).unlink(missing_ok=True)
    place = out / "tree"
    cases = select(book, options.cases)
    build_failure, results = None, []
    others = build.others_changed(sources.TOP, tree, book.files)
    try:
        own = build.BuildError if tree == sources.TOP else SystemExit  # a student's tree is the reference, too
        base = options.base or build.reference(sources.TOP, sources.TOP / "build/labs/reference", own)
        build.take(base, tree, book.files, place, book.programs)
    except build.BuildError as error:
        build_failure = str(error)
        (out / "build.log").write_text(build_failure + "\n")
        results = [Result(case, build_failure, "the submission does not build", 0.0) for case in cases]
    if not build_failure:
        results = run_all(prepare(folder, book, tree, out, place), cases, options.jobs, options.first_failure)
    print(table(book, results, others), flush=True)
    if build_failure:
        print(f"\n{build_failure}")
    for r in results if not build_failure else ():
        if r.failure:
            print(f"\n{r.failure}")
    write(out, book, results, others, time.monotonic() - started, build_failure)
    if not options.keep_build:
        shutil.rmtree(place, ignore_errors=True)
    got, most = score(results)
    sys.stdout.flush()
    return 3 if build_failure else 0 if got == most else 1


def alone_in(out):
    """Waits until no other grader works in the folder: submissions of one name have the same one, unless OUT says
    otherwise. The lock, on a descriptor that no child inherits, ends with this process."""
    held = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another grader, which works in {out}", flush=True)
        fcntl.flock(held, fcntl.LOCK_EX)


def casebook_of(folder):
    """The cases import the harness, which reads where the build is when it is imported: before that, set it."""
    os.environ.setdefault("RVNET_BUILD", str(sources.TOP / "build"))
    return casebook.book(folder)


def prepare(folder, book, tree, out, place):
    import harness.evidence
    import harness.qemu
    (out / "evidence").mkdir(exist_ok=True)
    harness.qemu.BUILD = place / "build"
    harness.evidence.BUILD = out
    lacking = harness.qemu.missing()
    if lacking:
        sys.exit(f"grade: {lacking}")
    return Grader(folder, book, tree, out)


if __name__ == "__main__":
    sys.exit(main())
