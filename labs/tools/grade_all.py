"""make grade-all LAB=n DIR=submissions [JOBS=k] [OUT=results] [SSHLOGINFILE=file]: grades a class.

Each entry of DIR is a submission: a folder, or a .tar, .tar.gz, .tgz, .tar.xz or .zip; a single folder inside is looked
through. Other files are named, and passed over.
GNU parallel runs one grader for each, on this machine or on those of SSHLOGINFILE (`:` is this one), which share the
folders of tree, submissions and OUT at the same paths. OUT (default build/labs/class-LAB) gets scores.csv and for each
submission a folder with results.json, results.xml and evidence. The same command once more goes on with what has no
result yet, or is newer than its result, or could not be graded because the grader itself failed.
"""

import argparse
import contextlib
import csv
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import build
import grade
import sources

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".zip")
UNPACKED_MAX, MEMBERS_MAX = 200 << 20, 20_000
PACKED_MAX = 8 << 30  # with what is left out, which takes time to pass over


def is_left_out(path):
    """What was built where the submission was written, often hundreds of MiB, and its history are not unpacked."""
    return bool(sources.SKIPPED.intersection(path.parts))


def safe_members(archive):
    """Files and folders that stay inside, none of them a link or a device, and not too much of it."""
    total = looked_at = count = 0
    for member in archive:
        path = Path(member.name)
        looked_at += member.size + tarfile.BLOCKSIZE
        if looked_at > PACKED_MAX:
            raise build.BuildError(f"the archive holds more than {PACKED_MAX >> 20} MiB")
        if is_left_out(path):
            continue
        if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
            raise build.BuildError(f"the archive holds {member.name!r}, which is no plain file inside it")
        total += member.size
        count += 1
        if total > UNPACKED_MAX or count > MEMBERS_MAX:
            raise build.BuildError(f"the archive holds more than {UNPACKED_MAX >> 20} MiB or {MEMBERS_MAX} files")
        member.mode = 0o755 if member.isdir() else 0o644
        yield member


def safe_infos(archive):
    """The same of a .zip."""
    infos = []
    for info in archive.infolist():
        info.filename = info.filename.replace("\\", "/")  # as some of Windows' programs write it
        path = Path(info.filename)
        if is_left_out(path):
            continue
        if info.external_attr >> 28 == 0o12 or path.is_absolute() or ".." in path.parts:
            raise build.BuildError(f"the archive holds {info.filename!r}, which is no plain file inside it")
        infos.append(info)
    if len(infos) > MEMBERS_MAX or sum(info.file_size for info in infos) > UNPACKED_MAX:
        raise build.BuildError(f"the archive holds more than {UNPACKED_MAX >> 20} MiB or {MEMBERS_MAX} files")
    return infos


def unpack(path, place):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for info in safe_infos(archive):
                archive.extract(info, place)
    else:
        with tarfile.open(path) as archive:
            archive.extractall(place, members=safe_members(archive))
    return top_of(place)


def top_of(place):
    """The folder that has a kernel/, at most two levels down, and not by way of a link."""
    real = place.resolve()
    for folder in (real, *sorted(real.glob("*")), *sorted(real.glob("*/*"))):
        if (folder / "kernel").is_dir() and folder.resolve() == folder:
            return folder
    return real


def wall(lab):
    """No submission's run can take longer: each case has its own bound."""
    import session
    return 600 + session.CASE_WALL * len(grade.casebook_of(sources.lab_folder(lab)).cases)


def run_grader(lab, tree, out, base):
    """A grader that runs for too long is ended with all that it started."""
    command = [sys.executable, Path(__file__).with_name("grade.py"), str(lab), "--tree", tree, "--out", out,
               "--jobs", "1", "--base", base]
    with open(out / "report", "w") as report:
        process = subprocess.Popen(command, stdout=report, stderr=subprocess.STDOUT)
    try:
        return process.wait(wall(lab))
    finally:
        process.kill()


def grade_one(lab, submission, out, base):
    """In a process of its own: unpack if need be, and grade. Whatever happens, results.json is written."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began = out.stat().st_mtime_ns  # by the clock that dates the submission's files, too
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    try:
        tree = unpack(submission, out / "unpacked") if submission.is_file() else top_of(submission)
        code = run_grader(lab, tree, out, base)
        if code not in (0, 1, 3) or not (out / "results.json").exists():
            began = 0  # not the submission's fault: the same command once more grades it again
            raise build.BuildError(f"the grader ended with {code}: see {out / 'report'}")
    except Exception as error:  # of whatever kind: what unpacks an archive raises many
        (out / "results.json").write_text(json.dumps({"score": 0, "output": f"not graded: {error}", "tests": []}))
    os.utime(out / "results.json", ns=(began, began))  # what has been handed in since is newer: see is_graded()
    shutil.rmtree(out / "unpacked", ignore_errors=True)
    shutil.rmtree(out / "tree", ignore_errors=True)


def name_of(path):
    """Of its folder of results. An archive loses its ending, unless something else would be named the same."""
    name = path.name
    if path.is_file():
        for ending in sorted(ARCHIVES, key=len, reverse=True):
            name = name.removesuffix(ending)
    same = [p for p in path.parent.iterdir() if p != path and p.name.startswith(name)
            and p.name.removeprefix(name) in ("", *ARCHIVES)]
    return grade.plain(path.name if same else name)


def is_graded(path, out):
    """Whether there is a result, and nothing of the submission has been replaced since."""
    result = out / name_of(path) / "results.json"
    return result.exists() and all(file.lstat().st_ctime <= result.stat().st_mtime
                                   for file in (path, *(path.rglob("*") if path.is_dir() else ())))


def remark_of(results):
    """For the table: the first lines, up to the first error."""
    lines = [line.strip() for line in results["output"].splitlines() if line.strip()]
    error = next((line for line in lines if "error" in line), "") if results["output"].startswith("build failed") else ""
    return " ".join([*lines[:1], *([error or " ".join(lines[1:2])] if error or lines[1:] else [])])[:120]


def scores(out, names):
    """Writes scores.csv; returns its rows."""
    book_cases, rows = [], []
    for name in names:
        with contextlib.suppress(FileNotFoundError, ValueError):
            results = json.loads((out / name / "results.json").read_text())
            for test in results["tests"]:
                case = test["name"].split(":")[0]
                if case not in book_cases:
                    book_cases.append(case)
            rows.append((name, results["score"], remark_of(results),
                         {t["name"].split(":")[0]: t["score"] for t in results["tests"]}))
    with open(out / "scores.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["submission", "score", "remark", *book_cases])
        for name, score, remark, by_case in rows:
            writer.writerow([name, score, remark, *(by_case.get(case, 0) for case in book_cases)])
    return rows


def main():
    parser = argparse.ArgumentParser(prog="grade_all")
    parser.add_argument("lab", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sshloginfile", type=Path)
    parser.add_argument("--one", type=Path, help="(used by itself) grade this submission")
    parser.add_argument("--base", type=Path)
    options = parser.parse_args()
    out = (options.out or sources.TOP / "build/labs" / f"class-{options.lab}").resolve()
    sys.stdout.reconfigure(errors="backslashreplace")
    if options.one:
        grade_one(options.lab, options.one, out / name_of(options.one), options.base)
        return 0

    if not shutil.which("parallel"):
        sys.exit("grade-all: GNU parallel is not installed: Debian has it in the package parallel (make deps)")
    entries = sorted(p.absolute() for p in options.directory.iterdir() if not p.name.startswith("."))
    submissions = [p for p in entries if p.is_dir() or p.name.endswith(ARCHIVES)]
    if len(submissions) < len(entries):
        print(f"not graded, for they are neither folders nor archives ({', '.join(ARCHIVES)}): "
              + ", ".join(p.name for p in entries if p not in submissions), flush=True)
    if not submissions:
        sys.exit(f"grade-all: no submission in {options.directory}: expected folders, or files that end in "
                 + ", ".join(ARCHIVES))
    out.mkdir(parents=True, exist_ok=True)
    left = [path for path in submissions if not is_graded(path, out)]
    if len(left) < len(submissions):
        print(f"{len(submissions) - len(left)} of {len(submissions)} are graded already, in {out}", flush=True)
    code = spread(options, left, out) if left else 0
    names = [name_of(path) for path in submissions]
    rows = scores(out, names)
    width = max(len(row[0]) for row in rows) if rows else 10
    for name, score, remark, _ in rows:
        print(f"{name:{width}}  {score:4}  {remark}")
    missing = [name for name in names if name not in {row[0] for row in rows}]
    if missing:
        print(f"without a result: {', '.join(missing)}; the same command once more grades them")
    print(f"{len(rows)} of {len(submissions)} graded: {out / 'scores.csv'}")
    return 0 if code == 0 and len(rows) == len(submissions) else 1


def spread(options, submissions, out):
    """Has GNU parallel run this program with --one for each; its exit code: how many could not be run."""
    base = build.reference(sources.TOP, sources.TOP / "build/labs/reference")
    one = ["env", f"PYTHONPATH={Path(__file__).parent}", sys.executable, Path(__file__).resolve(), str(options.lab),
           options.directory.absolute(), "--out", out, "--base", base, "--one"]
    machines = ["--sshloginfile", options.sshloginfile, "--env", "PATH"] if options.sshloginfile else []
    command = ["parallel", "--will-cite", "--jobs", options.jobs, "--joblog", out / "joblog", "--workdir", sources.TOP,
               *machines, " ".join(shlex.quote(str(word)) for word in one) + " {}", ":::", *submissions]
    # The command is one for sh. Without this, it goes to whatever $SHELL names where it runs, or to nothing.
    return subprocess.run([str(word) for word in command], env={**os.environ, "PARALLEL_SHELL": "/bin/sh"},
                          check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
