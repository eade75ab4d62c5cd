"""Building what was handed in: a fresh copy of the reference tree, with only the lab's own files taken from the
submission, built by the reference Makefile under limits of time, memory and file size.

The submission's other files are not looked at except to name those that differ. Its Makefile and scripts are
never run, and what it hands in is compiled, nothing else.
"""

import contextlib
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import sources

FILE_MAX = 1 << 20            # bytes of one file of a submission
BUILD_SECONDS = 300           # wall; CPU: BUILD_CPU
BUILD_CPU = 120
OUTPUT_SHOWN = 20_000         # bytes, the last ones
MIB = 1 << 20
E1000 = ["kernel/dev/e1000_rx", "kernel/dev/e1000_tx", "kernel/dev/e1000_hw", "kernel/dev/e1000"]
UNIT_PROGRAMS = {  # for cases without a guest: which of a submission's files each runs
    "test_virtq": ["kernel/virtio/virtq"],
    "test_virtio_net": ["kernel/dev/virtio_net", "kernel/dev/virtio_net_data", "kernel/virtio/virtio"],
    "test_e1000_rx": E1000,
    "test_e1000_tx": E1000,
}
BUILT_FROM = ("kernel/", "user/", "mkfs/", "Makefile", "tests/bench/", "tests/unit/", "labs/labs.mk")
# What would let a file reach outside itself, or have errors show other files: computed and absolute includes, line
# markers, assembly (.incbin), names put together so that none of these is seen. Also in comments, which are no way round it.
# Every part takes time in proportion to the text: nothing limits how long this search may last.
FORBIDDEN = re.compile(r"""
    \#\s*include(?!\s*(?:["<]\w|/[*/])) | \#\s*include(?:[^\n]{0,300}\.\.|[^\n]{300})
    | \#\s*(?:include_next|import|embed|line|(?:ident|sccs)\b) | (?:^|\*/)[ \t\f\v\0]*\#\s*\d
    | \#\# | \b(?:asm|__asm|__asm__|_Pragma|__has_include\w*|__has_embed)\b""", re.X | re.M)
# Attributes whose text the compiler hands to the assembler as it is, with whatever lines are in it; not in comments and
# strings, where people write of sections. A raw string could hide where those begin and end.
INJECTING = re.compile(r'\b(?:__)?(?:section|weakref|symver)(?:__)?\b|\b(?:u8|[uUL])?R"')
_NO_CODE = re.compile(r"""/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\[^\n]|[^"\\\n])*"?|'(?:\\[^\n]|[^'\\\n])*'?""", re.S)
SPLICE = re.compile(r"\\[ \t\f\v\0]*\n")


class BuildError(Exception):
    """What the student is told: the compiler's words, or which file is not acceptable."""


def limits(cpu, memory, file):
    """For preexec_fn: the child may use so many seconds, bytes of address space, and bytes in one file."""
    def apply():
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (file, file))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return apply


def clean_environment():
    """No variable of the grader's reaches the build: flags, credentials, whatever there is."""
    kept = {name: os.environ[name] for name in ("PATH", "TOOLPREFIX", "QEMU") if name in os.environ}
    return {**kept, "LC_ALL": "C", "HOME": "/nonexistent"}


def limited(command, cwd, wall=BUILD_SECONDS, cpu=BUILD_CPU, memory=2048 * MIB, file=64 * MIB, **options):
    """Runs a command under limits; its exit code and output. At the end its whole process group is ended. The output
    goes to a file, which has the limit of all files: a compiler can be made to say gigabytes. Temporary files lie in
    cwd, which goes one day: a compiler that is killed leaves its own."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=cwd, stdin=options.pop("stdin", subprocess.DEVNULL),
                                   stdout=said, stderr=subprocess.STDOUT,
                                   env={**clean_environment(), "TMPDIR": os.path.abspath(cwd)},
                                   preexec_fn=limits(cpu, memory, file))
        try:
            code, late = process.wait(wall), b""
        except subprocess.TimeoutExpired:
            code, late = -signal.SIGKILL, b"took longer than %d s\n" % wall
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said.seek(max(0, said.seek(0, os.SEEK_END) - OUTPUT_SHOWN))
        return code, (late or said.read()).decode("utf-8", "replace")


def unit_targets(programs):
    return [f"build/unit/{program}" for program in programs]


def reference(top, place, error=SystemExit):
    """A copy of the grader's own tree with the agent among its programs, built. Kept for the next time; only
    what has changed is built again. Returns its folder. error: what is raised if it does not build."""
    place.mkdir(parents=True, exist_ok=True)
    with open(place.parent / (place.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = {file: top / file for file in sources.tracked_files(top) if file.startswith(BUILT_FROM)}
        wanted["user/labagent.c"] = top / "labs/tools/agent.c"
        for file in sources.tree_files(place):
            if file not in wanted:
                (place / file).unlink()
        for file, source in wanted.items():
            target, content = place / file, source.read_bytes()
            if not target.exists() or target.read_bytes() != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        code, output = limited(["make", "-s", "-j2", "all", *unit_targets(UNIT_PROGRAMS)], place, memory=4096 * MIB)
        if code != 0:
            raise error(f"{top} does not build:\n{output}")
        return place


def submitted_text(tree, file):
    """One file of a submission, or None if it has none. It must be a plain file inside the tree."""
    path = tree / file
    if not os.path.lexists(path):
        return None
    real = Path(os.path.realpath(path))
    if path.is_symlink() or not path.is_file() or Path(os.path.realpath(tree)) not in real.parents:
        raise BuildError(f"{file} is not a plain file inside the submission")
    if path.stat().st_size > FILE_MAX:
        raise BuildError(f"{file} has more than {FILE_MAX} bytes")
    text = path.read_text(errors="replace")
    whole = SPLICE.sub("", text)  # as the preprocessor sees it
    uncommented = _NO_CODE.sub(lambda m: m.group() if m.group()[0] in "\"'" else " ", whole)
    found = (FORBIDDEN.search(whole.replace("%:", "#")) or FORBIDDEN.search(uncommented.replace("%:", "#"))
             or INJECTING.search(_NO_CODE.sub(lambda m: m.group()[0] * 2, uncommented)))
    if found:
        raise BuildError(f"{file} may not contain {found.group()[:60]!r}: it must be complete in itself, and in C")
    return text


def others_changed(top, tree, allowed):
    """Files that the submission changes or adds, though the lab does not allow it."""
    if Path(tree).resolve() == Path(top).resolve():
        return []
    reference_files = {file for file in sources.tracked_files(top) if not file.startswith("labs/")}
    changed = []
    for file in sorted(reference_files - set(allowed)):
        path = tree / file
        if file.startswith(("kernel/", "user/", "Makefile", "mkfs/")) and os.path.lexists(path) and (
                path.is_symlink() or not path.is_file() or path.stat().st_size != (top / file).stat().st_size
                or path.read_bytes() != (top / file).read_bytes()):
            changed.append(file)
    for file in sources.tree_files(tree):
        if file.startswith(("kernel/", "user/")) and file not in reference_files:
            changed.append(file)
    return changed


def forget(built, file):
    """Removes what was made of a C file, or make, which goes by the clock, may leave the reference's in its place: the
    clock may have been put back since, or be another machine's."""
    made = Path(file).with_suffix(".o")
    for path in (built / made, built / "unit" / made, built / "unit/libkernel.a"):
        path.unlink(missing_ok=True)


def take(base, tree, allowed, place, programs=()):
    """Makes `place` the reference with the submission's allowed files, and builds the kernel there, and these programs
    of unit tests."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in ("kernel", "tests", "labs", "Makefile"):
        copy = shutil.copytree if (base / name).is_dir() else shutil.copy2
        copy(base / name, place / name)
    for part in ("kernel", "unit") if programs else ("kernel",):
        shutil.copytree(base / "build" / part, place / "build" / part)
    shutil.copy2(base / "build/fs.img", place / "build/fs.img")
    missing = []
    for file in allowed:
        text = submitted_text(tree, file)
        if text is None:
            missing.append(file)
        elif text != (place / file).read_text():
            (place / file).write_text(text)
            forget(place / "build", file)
    if missing:
        raise BuildError(f"the submission has no {', '.join(missing)}")
    code, output = limited(["make", "-s", "build/kernel.elf", *unit_targets(programs)], place)
    if code != 0:
        raise BuildError(f"it does not build:\n{output}")
    return place
