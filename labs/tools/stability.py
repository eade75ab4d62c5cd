"""make grade-stability LAB=n [TREE=submission] [RUNS=100] [JOBS=8]: the same submission, graded again and again, several at
a time. Each run's scores, case by case, must be the same.

Prints the vectors of scores that were seen, each with how often; one that differs from the most frequent leaves its
results and evidence in OUT (default build/labs/stability-LAB). Exit code: 0 one vector, and it is full marks.
"""

import argparse
import collections
import concurrent.futures
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import build
import sources


def grade_once(lab, tree, out, base):
    """The scores of one run: {case: points}; "" holds the total and what the cases can give."""
    shutil.rmtree(out, ignore_errors=True)
    result = subprocess.run([sys.executable, Path(__file__).with_name("grade.py"), str(lab), "--tree", tree, "--out", out,
                             "--base", base, "--jobs", "1"], capture_output=True, text=True, check=False)
    out.mkdir(exist_ok=True)
    (out / "report").write_text(result.stdout + result.stderr)
    if result.returncode not in (0, 1):
        return (("the grader or the build failed", result.returncode),), 0
    tests = json.loads((out / "results.json").read_text())["tests"]
    return tuple((test["name"].split(":")[0], test["score"] - test["max_score"]) for test in tests), \
        sum(test["score"] for test in tests)


def vector_text(vector):
    lost = [f"{case} {points}" for case, points in vector if points]
    return ", ".join(lost) if lost else "full marks"


def report(runs, seconds, out):
    """Prints the vectors; true if there is one, with full marks. runs: {number: (vector, score)}."""
    vectors = collections.Counter(runs.values())
    usual = vectors.most_common(1)[0][0]
    for (vector, score), count in vectors.most_common():
        numbers = [number for number, seen in sorted(runs.items()) if seen == (vector, score)]
        print(f"{count:4} of {len(runs)}: {score} points: {vector_text(vector)}"
              + (f"; runs {', '.join(map(str, numbers[:8]))} in {out}" if vector != usual[0] else ""))
    for number, seen in runs.items():
        if seen == usual:
            shutil.rmtree(out / str(number), ignore_errors=True)
    print(f"{len(vectors)} vector{'s' * (len(vectors) != 1)} of scores in {len(runs)} runs, {seconds:.0f} s")
    return len(vectors) == 1 and not any(points for _, points in usual[0])


def main():
    parser = argparse.ArgumentParser(prog="stability")
    parser.add_argument("lab", type=int)
    parser.add_argument("--tree", type=Path, default=sources.TOP)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = (options.out or sources.TOP / "build/labs" / f"stability-{options.lab}").resolve()
    base = build.reference(sources.TOP, sources.TOP / "build/labs/reference")
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        seen = pool.map(lambda n: grade_once(options.lab, options.tree.resolve(), out / str(n), base),
                        range(options.runs))
        runs = dict(enumerate(seen))
    return 0 if report(runs, time.monotonic() - started, out) else 1


if __name__ == "__main__":
    sys.exit(main())
