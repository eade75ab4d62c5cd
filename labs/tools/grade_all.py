"""make grade-all LAB=n DIR=submissions [JOBS=k] [OUT=results] [SSHLOGINFILE=file]: grades a class.

Each entry of DIR is a submission: a folder, or a .tar, .tar.gz, .tgz or .zip; a single folder inside is looked through.
GNU parallel runs one grader for each, on this machine or on those of SSHLOGINFILE (which need the same tree at the
same place, and the submissions). Ended half way, the same command goes on with what is left. OUT (default
build/labs/class-LAB) gets scores.csv and for each submission a folder with results.json, results.xml and evidence.
"""

import argparse
import contextlib
import csv
import json
import os
import resource
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
UNPACKED_MAX = 200 << 20
WALL = 1800


def safe_members(archive):
    """Files and folders that stay inside, none of them a link or a device, and not too much of it."""
    total = 0
    for member in archive:
        path = Path(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
            raise build.BuildError(f"the archive holds {member.name!r}, which is no plain file inside it")
        total += member.size
        if total > UNPACKED_MAX:
            raise build.BuildError(f"the archive holds more than {UNPACKED_MAX >> 20} MiB")
        member.mode = 0o755 if member.isdir() else 0o644
        yield member


def unpack(path, place):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [Path(info.filename) for info in archive.infolist()]
            links = any(info.external_attr >> 28 == 0o12 for info in archive.infolist())
            if links or any(name.is_absolute() or ".." in name.parts for name in names) or \
                    sum(info.file_size for info in archive.infolist()) > UNPACKED_MAX:
                raise build.BuildError("the archive holds a link, a path that leads out of it, or too much")
            archive.extractall(place)
    else:
        with tarfile.open(path) as archive:
            archive.extractall(place, members=safe_members(archive))
    return top_of(place)


def top_of(place):
    """The folder that has a kernel/, at most two levels down."""
    for folder in (place, *sorted(p for p in place.glob("*") if p.is_dir()),
                   *sorted(p for p in place.glob("*/*") if p.is_dir())):
        if (folder / "kernel").is_dir() and not folder.is_symlink():
            return folder
    return place


def grade_one(lab, submission, out, base):
    """In a process of its own: unpack if need be, and grade. Whatever happens, results.json is written."""
    out.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    try:
        tree = unpack(submission, out / "unpacked") if submission.is_file() else top_of(submission)
        command = [sys.executable, Path(__file__).with_name("grade.py"), str(lab), "--tree", tree, "--out", out,
                   "--jobs", "1", *(["--base", base] if base else [])]
        with open(out / "report", "w") as report:
            code = subprocess.run(command, stdout=report, stderr=subprocess.STDOUT, timeout=WALL).returncode
        if code not in (0, 1, 3):
            raise build.BuildError(f"the grader ended with {code}: see {out / 'report'}")
    except (build.BuildError, tarfile.TarError, zipfile.BadZipFile, OSError, EOFError,
            subprocess.TimeoutExpired) as error:
        (out / "results.json").write_text(json.dumps({"score": 0, "output": f"not graded: {error}", "tests": []}))
    shutil.rmtree(out / "unpacked", ignore_errors=True)
    shutil.rmtree(out / "tree", ignore_errors=True)


def name_of(path):
    name = path.name
    for ending in sorted(ARCHIVES, key=len, reverse=True):
        name = name.removesuffix(ending)
    return name


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
            rows.append((name, results["score"], results["output"].splitlines()[0][:100],
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
    if options.one:
        grade_one(options.lab, options.one, out / name_of(options.one), options.base)
        return 0

    if not shutil.which("parallel"):
        sys.exit("grade-all: GNU parallel is not installed: Debian has it in the package parallel (make deps)")
    submissions = sorted(p.resolve() for p in options.directory.iterdir()
                         if not p.name.startswith(".") and (p.is_dir() or p.name.endswith(ARCHIVES)))
    if not submissions:
        sys.exit(f"grade-all: no submission in {options.directory}: expected folders, or files that end in "
                 + ", ".join(ARCHIVES))
    out.mkdir(parents=True, exist_ok=True)
    grade.casebook_of(sources.lab_folder(options.lab))
    remote = options.sshloginfile is not None
    base = [] if remote else ["--base", build.reference(sources.TOP, sources.TOP / "build/labs/reference")]
    command = ["parallel", "--will-cite", "--jobs", options.jobs, "--joblog", out / "joblog", "--resume",
               "--workdir", sources.TOP,
               *(["--sshloginfile", options.sshloginfile, "--env", "PYTHONPATH", "--env", "PATH"] if remote else []),
               "env", f"PYTHONPATH={Path(__file__).parent}", sys.executable, Path(__file__).resolve(),
               str(options.lab), options.directory.resolve(), "--out", out, *base, "--one", "{}", ":::", *submissions]
    code = subprocess.run([str(word) for word in command], env={**os.environ}, check=False).returncode
    rows = scores(out, [name_of(path) for path in submissions])
    width = max(len(row[0]) for row in rows) if rows else 10
    for name, score, remark, _ in rows:
        print(f"{name:{width}}  {score:4}  {remark}")
    print(f"{len(rows)} of {len(submissions)} graded: {out / 'scores.csv'}")
    return 0 if code == 0 and len(rows) == len(submissions) else 1


if __name__ == "__main__":
    sys.exit(main())
