"""make mutants [LAB=n] [TENTH=k] [NAMES="name lab/name ..."]: the graders, graded.

labs/NN-name/mutants/*.txt hold small bugs of the kinds that students make. Each is put into the reference, alone,
and graded like a submission: it must lose points. Its text:

    = NAME | KIND OF BUG | CASE that should notice
    @ FILE FUNCTION
    ~ OLD => NEW           any white space fits any other; OLD is found once in the function; \\n in NEW is a newline

More than one `@` and `~` make one bug. `! REASON` marks an equivalent mutant: not counted, but listed. Besides these,
each lab has one named "printing": the handout, whose stubs print the words of success. It must get no point at all.

CI runs a part of them, see of_this_commit(). --check applies and compiles all of them, and runs none. Exit code: 0
all killed.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import build
import grade
import sources

OUT = sources.TOP / "build/labs/mutants"
NAMED_MAX = 30
PRINTED = 'kprintf("nettests: OK\\012test passed: OK\\012"); '


class Mutant(NamedTuple):
    folder: Path
    name: str
    kind: str
    case: str
    changes: list     # of (file, function, old, new)
    equivalent: str
    source: Path      # the file that describes it

    @property
    def label(self):
        return f"{sources.lab_number(self.folder)}/{self.name}"


def parse(folder):
    found = []
    for path in sorted((folder / "mutants").glob("*.txt")):
        where = None
        for line in path.read_text().splitlines():
            mark, rest = line[:2], line[2:].strip()
            if mark == "= ":
                name, kind, case = (word.strip() for word in rest.split("|"))
                found.append(Mutant(folder, name, kind, case, [], "", path))
            elif mark == "@ ":
                where = rest.split()
            elif mark == "~ ":
                old, arrow, new = rest.partition("=>")
                if not arrow:
                    raise ValueError(f"{path}: expected OLD => NEW in {line!r}")
                found[-1].changes.append((*where, old.strip(), new.strip().replace("\\n", "\n")))
            elif mark == "! ":
                found[-1] = found[-1]._replace(equivalent=rest)
    return found + [Mutant(folder, "printing", "prints what a right kernel would, does nothing", "", [], "",
                           folder / "parts.tsv")]


def changed(text, function, old, new):
    at = sources.extent(text, function)
    pattern = r"\s+".join(re.escape(word) for word in old.split())
    places = list(re.finditer(pattern, text[at.start:at.end]))
    if len(places) != 1:
        raise ValueError(f"expected {old!r} once in {function}(), found it {len(places)} times")
    return text[:at.start + places[0].start()] + new + text[at.start + places[0].end():]


def printing_texts(folder):
    """The stubs, each of which prints; where the stubs are a small working version, they are made empty."""
    texts = {}
    for part in sources.parts(folder):
        text = texts.get(part.file) or (sources.TOP / part.file).read_text()
        if part.stub == "-":
            texts[part.file] = sources.stubbed(text, part, folder, 0)
            continue
        stub = part.stub
        if stub.startswith("@"):
            at = sources.extent(text, part.function)
            stub = "" if re.match(r"(static )?void\b(?! \*)", text[at.start:]) else "return 0;"
        text = sources.stubbed(text, part._replace(stub=PRINTED + stub), folder, 0)
        if '"lib/printf.h"' not in text:
            last = list(re.finditer(r"^#include .*\n", text, re.M))[-1].end()
            text = text[:last] + '#include "lib/printf.h"\n' + text[last:]
        texts[part.file] = text
    return texts


def texts_of(mutant):
    if mutant.name == "printing":
        return printing_texts(mutant.folder)
    texts = {}
    for file, function, old, new in mutant.changes:
        text = texts.get(file) or (sources.TOP / file).read_text()
        texts[file] = changed(text, function, old, new)
    return texts


def place_of(mutant):
    return OUT / mutant.label.replace("/", "-")


def write(mutant, book, place):
    """The mutant as a submission: only the lab's own files."""
    shutil.rmtree(place, ignore_errors=True)
    texts = texts_of(mutant)
    for file in book.files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(texts.get(file) or (sources.TOP / file).read_text())
    strange = set(texts) - set(book.files)
    if strange:
        raise ValueError(f"{mutant.label} changes {', '.join(strange)}, which the lab does not allow")


def compiler():
    return next(found for prefix in ("riscv64-unknown-elf-", "riscv64-linux-gnu-")
                if (found := shutil.which(prefix + "gcc")))


def compile_only(mutant, book, base):
    """None, or why it does not apply or compile: with the kernel's own flags, a file at a time."""
    place = OUT / "check" / f"{sources.lab_number(mutant.folder)}-{mutant.name}"
    try:
        write(mutant, book, place)
    except (ValueError, KeyError) as error:
        return str(error)
    for file in texts_of(mutant):
        flags = ["-std=gnu11", "-O1", "-c", "-o", "/dev/null", "-Wall", "-Wextra", "-Werror", "-march=rv64imac_zicsr_zifencei_zba_zbb", "-mabi=lp64",
                 "-mcmodel=medany", "-ffreestanding", f"-I{base}/kernel"]
        result = subprocess.run([compiler(), *flags, place / file],
                                capture_output=True, text=True)
        if result.returncode != 0:
            return result.stderr
    shutil.rmtree(place, ignore_errors=True)
    return None


def run(mutant, book, base):
    """(verdict, which case, seconds). The case that should notice goes first."""
    started = time.monotonic()
    place = place_of(mutant)
    write(mutant, book, place / "submission")
    names = [c.name for c in book.cases]
    printing = mutant.name == "printing"
    ordered = ([mutant.case] if mutant.case in names else []) + [n for n in names if n != mutant.case]
    command = [sys.executable, Path(__file__).with_name("grade.py"), str(sources.lab_number(mutant.folder)),
               "--tree", place / "submission", "--out", place, "--base", base, "--jobs", "1",
               *(() if printing else ("--first-failure",)), "--cases", *ordered]
    code = subprocess.run(command, capture_output=True, text=True, check=False)
    (place / "log").write_text(code.stdout + code.stderr)
    if code.returncode not in (0, 1):
        return "does not build" if code.returncode == 3 else "grader failed", "", time.monotonic() - started
    results = json.loads((place / "results.json").read_text())
    failed = [t["name"].split(":")[0] for t in results["tests"] if t["status"] == "failed" and t["max_score"]]
    if printing:
        got = results["score"]
        return ("killed" if got == 0 else "survived"), f"score {got}", time.monotonic() - started
    return ("killed", failed[0], time.monotonic() - started) if failed else ("survived", "", time.monotonic() - started)


# --- which of them ---


def git(*words):
    """What git says; None where there is no git, no repository, or no such commit."""
    with contextlib.suppress(FileNotFoundError):
        result = subprocess.run(["git", "-C", str(sources.TOP), *words], capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else None
    return None


def rotation():
    """A number that the next commit has one higher; without git, the next day."""
    count = git("rev-list", "--count", "HEAD")
    return int(count) if count else int(time.time() // 86400)


def changed_files():
    """What differs from the commit that main had before: on a branch from where it left main, on main from the
    last commit but one. Files that are not committed yet count."""
    base = git("merge-base", "HEAD", "origin/main")
    if not base or base == git("rev-parse", "HEAD"):
        base = git("rev-parse", "--verify", "--quiet", "HEAD~1")
    listed = [git("diff", "--name-only", base)] if base else []
    listed.append(git("ls-files", "--others", "--exclude-standard"))
    return {file for text in listed if text for file in text.splitlines()}


def touches(mutant, files):
    """Whether a change of these files can change this mutant's verdict: its own text, the functions it is in, the
    cases of its lab."""
    lab = mutant.folder
    own = [mutant.source, lab / "cases.py", lab / "hidden.py"]
    return bool(files.intersection([change[0] for change in mutant.changes]
                                   + [str(path.relative_to(sources.TOP)) for path in own]))


def tenth(mutants, k):
    return [mutant for n, mutant in enumerate(mutants) if n % 10 == k % 10]


def of_this_commit(most):
    """The mutants that CI runs: a tenth, another one for each commit, and at most `most` of those that changed files
    touch, drawn by the commit. Returns them, and a text that says what was left out, or None."""
    live = [mutant for folder in sources.lab_folders() for mutant in parse(folder) if not mutant.equivalent]
    number, files = rotation(), changed_files()
    chosen = tenth(live, number)
    touched = [mutant for mutant in live if touches(mutant, files) and mutant not in chosen]
    touched.sort(key=lambda mutant: hashlib.sha256(f"{number} {mutant.label}".encode()).digest())
    left_out = sorted(mutant.label for mutant in touched[most:])
    text = (f"changed files touch {len(touched)} mutants besides this commit's tenth; run are {most} of them, drawn by "
            f"the commit. make mutants runs the others as well: {' '.join(left_out[:NAMED_MAX])}"
            + " ..." * (len(left_out) > NAMED_MAX)) if left_out else None
    return chosen + touched[:most], text


def choose(options):
    """[(mutant, its lab's cases)]"""
    chosen, books = [], {}
    for folder in sources.lab_folders():
        if options.lab in (None, sources.lab_number(folder)):
            books[folder] = grade.casebook_of(folder)
            chosen += [mutant for mutant in parse(folder)
                       if not options.names or {mutant.name, mutant.label}.intersection(options.names)]
    if options.tenth is not None:
        chosen = tenth(chosen, options.tenth)
    if not chosen:
        raise SystemExit("mutants: none is so named")
    return [(mutant, books[mutant.folder]) for mutant in chosen]


def main():
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("--lab", type=int)
    parser.add_argument("--tenth", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="apply and compile only")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = choose(options)
    live = [(m, b) for m, b in chosen if not m.equivalent]
    OUT.mkdir(parents=True, exist_ok=True)
    if options.check:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            reasons = pool.map(lambda pair: compile_only(*pair, sources.TOP), live)
            bad = [(m, why) for (m, _), why in zip(live, reasons) if why]
        for mutant, why in bad:
            print(f"{mutant.label}: {why}")
        print(f"{len(live) - len(bad)} mutants apply and compile, {len(bad)} do not")
        return 1 if bad else 0

    base = build.reference(sources.TOP, sources.TOP / "build/labs/reference")
    started, verdicts = time.monotonic(), {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        waiting = {pool.submit(run, mutant, book, base): mutant for mutant, book in live}
        for done in concurrent.futures.as_completed(waiting):
            mutant = waiting[done]
            verdict, case, seconds = done.result()
            verdicts[mutant.label] = (verdict, case)
            print(f"{mutant.label:34} {verdict:9} {case:16} {seconds:6.1f} s  {mutant.kind}", flush=True)
            if verdict != "killed":
                print(f"    see {place_of(mutant) / 'log'}; again: make mutants NAMES={mutant.label}", flush=True)
    for mutant, _ in chosen:
        if mutant.equivalent:
            print(f"{mutant.label:34} equivalent, not counted: {mutant.equivalent}")
    rows = [f"{label},{verdict},{case}" for label, (verdict, case) in sorted(verdicts.items())]
    if not options.names:
        (OUT / "mutants.csv").write_text("mutant,verdict,case\n" + "\n".join(rows) + "\n")
    killed = sum(1 for verdict, _ in verdicts.values() if verdict == "killed")
    print(f"{killed} of {len(live)} mutants killed in {time.monotonic() - started:.0f} s")
    return 0 if killed == len(live) else 1


if __name__ == "__main__":
    sys.exit(main())
