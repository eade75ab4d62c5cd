"""A class of twelve is graded: right, partly right, hanging, not building, hostile. Each gets its score, whatever the
others do, and nothing is written where it does not belong.

`make test` runs those that cost little; RVNET_LABS=full (make test-labs) all twelve.
"""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TOOLS = TOP / "labs/tools"
sys.path.insert(0, str(TOOLS))

import grade_all as class_grader  # noqa: E402
import mutants  # noqa: E402
import sources  # noqa: E402

FULL = os.environ.get("RVNET_LABS") == "full"
LAB = 4
FILES = ("kernel/net/ether.c", "kernel/net/arp.c", "kernel/net/arp_table.c")


def solution(place):
    """The files of the lab as the reference has them."""
    for file in FILES:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / file, place / file)
    return place


def edit(place, function, old, new, file=FILES[1]):
    path = solution(place) / file
    path.write_text(mutants.changed(path.read_text(), function, old, new))


def points(case):
    """As the lab's README has them."""
    text = (sources.lab_folder(LAB) / "README.md").read_text()
    return int(re.search(rf"^\| {case} \| (\d+) \|", text, re.M).group(1))


def when_probed(place, code):
    """Code that runs when somebody probes for an address, which one case does."""
    sound = "be32_t own = ip_address(dev);"
    edit(place, "arp_input", sound, f"{sound}\nif (packet->sender_ip == 0) {code}")


# --- the twelve: each makes its submission below `place` and returns its score ---


def right(place, canary):
    solution(place / "right")
    return 100


def partly(place, canary):
    """Replies by broadcast: that costs the cases that look at replies, not all in which there is one."""
    edit(place / "partly", "reply_send", "request.sender_mac,", "NULL,")
    return 100 - points("reply") - points("probe")


def hanging(place, canary):
    when_probed(place / "hanging", "for (;;)\n;")
    return 100 - points("probe")


def not_building(place, canary):
    edit(place / "not-building", "arp_input", "enum net_counter reason;", "enum net_counter reason")
    return 0


def printing(place, canary):
    folder = place / "printing"
    solution(folder)
    lab = sources.lab_folder(LAB)
    for file, text in mutants.printing_texts(lab).items():
        (folder / file).write_text(text)
    return 0


def scripts(place, canary):
    """A right solution, in a folder of its own in an archive with an awkward name, among files that would like to run."""
    folder = place.parent / "packed" / "my lab"
    solution(folder)
    shell = f"$(shell touch {canary})\nall: ; touch {canary}\nCC = touch {canary};\n"
    python = f"open({str(canary)!r}, 'w')\n"
    for file, text in {"Makefile": shell, "labs/labs.mk": shell, "GNUmakefile": shell, "labs/tools/grade.py": python,
                       "labs/tools/session.py": python, "tests/conftest.py": python, "sitecustomize.py": python,
                       "labs/04-arp/cases.py": python, "kernel/net/ip.c": "#error not yours\n",
                       "user/labagent.c": "#error not yours\n"}.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    with tarfile.open(place / "it's $(mine) & \"right\".tar.gz", "w:gz") as archive:
        archive.add(folder, "my lab")
    return 100


def symlinks(place, canary):
    """The neighbour's solution, by a link."""
    folder = solution(place / "symlinks")
    (folder / FILES[1]).unlink()
    (folder / FILES[1]).symlink_to(place / "right" / FILES[1])
    return 0


def escaping(place, canary):
    with tarfile.open(place / "escaping.tar", "w") as archive:
        for file in FILES:
            archive.add(TOP / file, file)
        entry = tarfile.TarInfo("../" * 12 + str(canary).lstrip("/"))
        archive.addfile(entry, io.BytesIO())
    return 0


def reads_host(place, canary):
    """Another file of the host's, by an include that is computed, and one that never ends."""
    edit(place / "reads-host", "arp_input", "enum net_counter reason;",
         'enum net_counter reason;\n#define ZERO "/dev/zero"\n%: /* */ include ZERO\n')
    return 0


def endless(place, canary):
    """Macros that would become 2^60 tokens."""
    path = solution(place / "endless") / FILES[0]
    macros = "".join(f"#define M{n + 1} M{n} M{n}\n" for n in range(60))
    path.write_text(path.read_text() + f"#define M0 +1\n{macros}int endless = 0 M60;\n")
    return 0


def flooding(place, canary):
    """The console, without an end."""
    folder = place / "flooding"
    when_probed(folder, 'for (;;)\nkprintf("%0512d\\n", 0);')
    return 100 - points("probe")


def filling(place, canary):
    """An object of 64 GiB, in an archive that unpacks to a lot."""
    text = (TOP / FILES[0]).read_text() + "char filling[64ul << 30] = {1};\n"
    with zipfile.ZipFile(place / "filling.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FILES[0], text)
        for file in FILES[1:]:
            archive.write(TOP / file, file)
        archive.writestr("zeros", bytes(100 << 20))
    return 0


CHEAP = (not_building, symlinks, escaping, reads_host, filling, scripts)
COSTLY = (right, partly, hanging, printing, endless, flooding)


def grade_all(class_folder, out, **environment):
    result = subprocess.run(
        [sys.executable, TOOLS / "grade_all.py", str(LAB), class_folder, "--out", out, *environment.pop("words", ())],
        cwd=TOP, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(TOOLS), "RVNET_BUILD": str(TOP / "build"), **environment})
    assert (out / "scores.csv").exists(), result.stdout + result.stderr
    with open(out / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return result, {row["submission"]: int(row["score"]) for row in rows}, rows


@pytest.mark.timeout(1800)
def test_each_gets_its_score(tmp_path):
    place, out, canary = tmp_path / "class", tmp_path / "results", tmp_path / "canary"
    place.mkdir()
    expected = {}
    for make in CHEAP + (COSTLY if FULL else ()):
        before = set(place.iterdir())
        score = make(place, canary)
        made, = set(place.iterdir()) - before
        expected[made.name.removesuffix(".tar.gz").removesuffix(".tar").removesuffix(".zip")] = score
    result, scores, rows = grade_all(place, out)
    assert scores == expected, result.stdout + result.stderr
    assert result.returncode == 0, result.stdout + result.stderr
    assert not canary.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["class", "packed", "results"]
    assert sum(file.lstat().st_size for file in out.rglob("*")) < 200 << 20
    by_name = {row["submission"]: row for row in rows}
    assert "error" in by_name["not-building"]["remark"]
    assert not list(out.rglob("unpacked")) and not list(out.rglob("tree"))


SSH = """#!/bin/sh
# In place of ssh: the host's name is noted, the command runs here, with no shell but sh to be found.
unset SHELL
while case "$1" in -*) true;; *) false;; esac; do shift; done
echo "$1" >> {log}; shift
[ "$1" = -- ] && shift
exec sh -c "$*"
"""


@pytest.mark.timeout(300)
def test_goes_on_and_spreads(tmp_path):
    """What has a result is not graded again, wherever in the list something is added; what was handed in again is."""
    place, out, log = tmp_path / "class", tmp_path / "results", tmp_path / "hosts"
    place.mkdir()
    for make in (not_building, symlinks):
        make(place, tmp_path / "canary")
    ssh, machines = tmp_path / "ssh", tmp_path / "machines"
    ssh.write_text(SSH.format(log=log))
    ssh.chmod(0o755)
    machines.write_text("1/:\n1/elsewhere\n")
    result, scores, _ = grade_all(place, out, words=("--sshloginfile", machines), PARALLEL_SSH=str(ssh))
    assert scores == {"not-building": 0, "symlinks": 0}, result.stdout + result.stderr
    assert "elsewhere" in log.read_text()

    times = {name: (out / name / "results.json").stat().st_mtime_ns for name in scores}
    (place / "symlinks" / FILES[1]).unlink()
    (place / "symlinks" / FILES[1]).write_text("int nothing(;\n")
    escaping(place, tmp_path / "canary")
    shutil.copytree(place / "not-building", place / "aaa")
    result, scores, rows = grade_all(place, out)
    assert scores == dict.fromkeys(("aaa", "escaping", "not-building", "symlinks"), 0)
    assert "1 of 4 are graded already" in result.stdout
    now = {name: (out / name / "results.json").stat().st_mtime_ns for name in times}
    assert now["not-building"] == times["not-building"] and now["symlinks"] != times["symlinks"]
    assert {row["submission"]: row["remark"] for row in rows}["symlinks"].startswith("build failed")


def odd_zip(path, flags=0, method=0):
    """An archive of one file, whose headers are changed afterwards: flag 1 says encrypted, method 9 Deflate64."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(FILES[0], "")
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(mark) + at
        data[place:place + 4] = bytes([flags, 0, method, 0])
    path.write_bytes(data)


@pytest.mark.timeout(120)
def test_what_cannot_be_unpacked_has_a_result(tmp_path):
    place, out = tmp_path / "class", tmp_path / "results"
    place.mkdir()
    odd_zip(place / "locked.zip", flags=1)
    odd_zip(place / "unknown.zip", method=9)
    for name in ("anna.rar", "BEA.ZIP", os.fsdecode(b"Jos\xe9.7z")):
        (place / name).write_text("")
    result, scores, rows = grade_all(place, out)
    assert scores == {"locked": 0, "unknown": 0} and result.returncode == 0, result.stdout + result.stderr
    assert "not graded" in result.stdout and "BEA.ZIP, Jos\\udce9.7z, anna.rar" in result.stdout, result.stdout
    assert "encrypted" in rows[0]["remark"] and "not supported" in rows[1]["remark"]
    assert not list(out.rglob("unpacked"))


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_what_was_built_is_not_unpacked(kind, tmp_path, monkeypatch):
    """Who packs the folder after `make unit`, `make qemu` and `make grade` has more in build/ than may be unpacked."""
    monkeypatch.setattr(class_grader, "UNPACKED_MAX", 1 << 20)
    folder, path = solution(tmp_path / "lab"), tmp_path / f"lab.{kind}"
    for file in ("build/fs.img", ".git/objects/pack/pack"):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_bytes(bytes(1 << 20))
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to("/usr/bin/python3")
    shutil.make_archive(tmp_path / "lab", {"tar.gz": "gztar"}.get(kind, kind), tmp_path, "lab")
    tree = class_grader.unpack(path, tmp_path / "place")
    assert sorted(sources.tree_files(tmp_path / "place")) == sorted(f"lab/{file}" for file in FILES)
    assert sorted(entry.name for entry in tree.iterdir()) == ["kernel"]


def test_archives_of_windows_are_unpacked(tmp_path):
    """Their paths may have backslashes, which lead out of the archive as little as others."""
    with zipfile.ZipFile(tmp_path / "lab.zip", "w") as archive:
        for file in FILES:
            archive.write(TOP / file, "lab4\\" + file.replace("/", "\\"))
    tree = class_grader.unpack(tmp_path / "lab.zip", tmp_path / "place")
    assert sources.tree_files(tree) == sorted(FILES)
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("..\\..\\bad", "")
    with pytest.raises(class_grader.build.BuildError):
        class_grader.unpack(tmp_path / "bad.zip", tmp_path / "other")


@pytest.mark.timeout(300)
def test_names_may_be_no_utf8(tmp_path):
    """A right submission with such a name, and a file of such a name, gets its points; the others of its class theirs."""
    place, out, name = tmp_path / "class", tmp_path / "results", os.fsdecode(b"Jos\xe9")
    solution(place / name)
    (place / name / "kernel" / f"{name}.c").write_text("")
    result = subprocess.run([sys.executable, TOOLS / "grade.py", str(LAB), "--tree", place / name, "--out", tmp_path / "one",
                             "--cases", "boot", "reply"], cwd=TOP, capture_output=True, text=True, check=False,
                            env={**os.environ, "PYTHONPATH": str(TOOLS), "PYTHONIOENCODING": "utf-8:strict"})
    assert result.returncode == 0 and "Jos\\udce9.c" in result.stdout, result.stdout + result.stderr
    (place / name / FILES[0]).unlink()
    not_building(place, tmp_path / "canary")
    result, scores, _ = grade_all(place, out)
    assert scores == {"Jos\\udce9": 0, "not-building": 0} and result.returncode == 0, result.stdout + result.stderr


def test_what_is_handed_in_again_meanwhile_is_not_graded(tmp_path, monkeypatch):
    """The result is that of what was there when the grader began."""
    def grader(lab, tree, out, base):
        time.sleep(0.1)  # more than a tick of the clock of files
        if again:
            (tree / FILES[0]).write_text("another")
        time.sleep(0.1)
        (out / "results.json").write_text("{}")
        return 0
    monkeypatch.setattr(class_grader, "run_grader", grader)
    monkeypatch.setattr(class_grader.resource, "setrlimit", lambda *_: None)
    submission = solution(tmp_path / "class/one")
    for again in (False, True):
        time.sleep(0.1)
        class_grader.grade_one(LAB, submission, tmp_path / "results/one", None)
        assert class_grader.is_graded(submission, tmp_path / "results") is not again


def test_what_the_grader_failed_at_is_graded_again(tmp_path, monkeypatch):
    """A machine on which something is missing, QEMU perhaps, must not leave a class with no points for good."""
    def grader(lab, tree, out, base):
        if works:
            (out / "results.json").write_text('{"score": 100, "output": "", "tests": []}')
        return 0 if works else 1
    monkeypatch.setattr(class_grader, "run_grader", grader)
    monkeypatch.setattr(class_grader.resource, "setrlimit", lambda *_: None)
    submission, out = solution(tmp_path / "class/one"), tmp_path / "results"
    time.sleep(0.1)  # more than a tick of the clock of files
    for works, score in ((False, 0), (True, 100)):
        class_grader.grade_one(LAB, submission, out / "one", None)
        assert [row[1] for row in class_grader.scores(out, ["one"])] == [score]
        assert class_grader.is_graded(submission, out) is works
