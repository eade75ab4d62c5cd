"""Cases that need no machine: unit tests with a file of the submission, on this host.

unit(points, text, name, tests..., program=) makes a case of the named tests of a cmocka program (without their "test_").
Each test is a process of its own, with limits of time and file size, without the grader's environment, and in a seccomp filter
that lets it neither write to a file nor make files, processes or connections: what is run is a student's code.
"""

import contextlib
import ctypes
import os
import platform
import re
import shutil
import signal
import struct
import subprocess

import build
import harness.qemu
import sources
from casebook import case
from session import Failure

LINK = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-Wl,--wrap=_cmocka_run_group_tests",
        "-Wl,--wrap=host_log_contains"]
TEST_SECONDS = 60

# What is refused (x86-64): making files, processes, connections, signals, other programs' memory.
DENIED = (29, 41, 42, 43, 49, 50, 53, 56, 57, 58, 62, 64, 68, 76, 77, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 94, 101,
          129, 132, 133, 141, 144, 161, 165, 188, 189, 200, 203, 234, 235, 240, 251, 258, 259, 260, 261, 263, 264, 265,
          266, 268, 272, 280, 297, 310, 311, 316, 322, 424, 425, 426, 427, 434, 435, 437, 438, 452)
OTHER_NUMBERS = 0x40000000  # the x32 interface has the same calls there
OPENS = ((2, 1), (257, 2))  # open and openat: which argument has the flags
WRITING = 0o3 | 0o100 | 0o1000
PRLIMIT = 302               # of itself only: the sanitizers read their own


def _filter():
    """A BPF program: struct seccomp_data has the number at 0, the architecture at 4, the arguments from 16 on."""
    load, equal, above, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    kill, refuse, allow = 0x80000000, 0x00050001, 0x7FFF0000
    code = [(load, 0, 0, 4), (equal, 1, 0, 0xC000003E), (give, 0, 0, kill), (load, 0, 0, 0),
            (above, 0, 1, OTHER_NUMBERS), (give, 0, 0, kill)]
    for number in DENIED:
        code += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    for number, argument in OPENS:
        code += [(equal, 0, 4, number), (load, 0, 0, 16 + 8 * argument), (bits, 0, 1, WRITING),
                 (give, 0, 0, refuse), (give, 0, 0, allow)]
    code += [(equal, 0, 3, PRLIMIT), (load, 0, 0, 16), (equal, 1, 0, 0), (give, 0, 0, refuse), (give, 0, 0, allow)]
    return b"".join(struct.pack("<HBBI", *one) for one in code), len(code)


def confine():
    """For the child, before it becomes the test: no new rights, and the filter."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    if platform.machine() == "x86_64":
        program, count = _filter()
        text = ctypes.create_string_buffer(program)
        head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", count, ctypes.addressof(text)))
        if libc.prctl(22, 2, head, 0, 0) != 0:  # PR_SET_SECCOMP, filter
            os._exit(99)


class Bench:
    """What a case has in place of a Session: its steps."""

    def __init__(self):
        self.steps = []


def symbols(*command):
    """{name: kind letter} of what nm lists."""
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split()[-1]: line.split()[-2] for line in text.splitlines() if len(line.split()) >= 2}


def refuse_foreign(place, file):
    """A kernel's file calls the kernel, or what stands in for it here. One that calls the host's library could print the
    words of success, and end the test. What counts as the kernel's is what is linked here or no lab's to write: a name
    in kernel.elf may be the submission's own, there under another condition (#ifdef) than here."""
    kernel = symbols("nm", "-g", "--defined-only", place / "build/unit/libkernel.a").keys()
    library = symbols("nm", "-g", "--defined-only", *sorted((place / "build/kernel/lib").glob("*.o"))).keys()
    stands_in = symbols("nm", "-g", "--defined-only", place / "build/unit/libhost.a").keys()
    headers = [*(place / "kernel").rglob("*.h"), *(place / "tests/unit/host").glob("*/*.h")]  # the latter in their place
    inline = {name for header in headers for name in re.findall(r"\w+", header.read_text())}
    used = symbols("nm", "-u", place / f"build/unit/{file}.o")
    foreign = [name for name in used if name not in kernel and name not in library
               and not (name in stands_in and name in inline)
               and not name.startswith(("__asan_", "__ubsan_")) and name != "_GLOBAL_OFFSET_TABLE_"]
    if foreign:
        raise Failure(f"what {file}.c calls on the host", "functions of the kernel", ", ".join(sorted(foreign)[:5]))


def refuse_replacing(place, file, runner):
    """Nor does it define what cmocka or the host's library have: the test would call its functions in their place, and
    an assertion that does nothing never fails. What a program's own symbol replaces is in its table for the loader."""
    replacing = symbols("nm", "-D", "--defined-only", runner).keys()
    own = [name for name in symbols("nm", "-g", "--defined-only", place / f"build/unit/{file}.o") if name in replacing]
    if own:
        raise Failure(f"what {file}.c defines on the host", "functions of the kernel", ", ".join(sorted(own)[:5]))


def link_runner(place, program):
    """The unit tests' program, with an entry that runs the one test that it is told."""
    unit_build = place / "build/unit"
    for file in build.UNIT_PROGRAMS[program]:
        refuse_foreign(place, file)
    runner = unit_build / f"one_of_{program}"
    if not runner.exists():
        objects = [unit_build / f"tests/unit/{program}.o", sources.TOP / "labs/tools/one_test.c",
                   unit_build / "libhost.a", unit_build / "libkernel.a", unit_build / "libhost.a"]
        half = runner.with_name(f"one_test.{os.getpid()}.{id(objects)}")
        result = subprocess.run([shutil.which("gcc"), *LINK, "-o", half, *objects, "-lcmocka"],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Failure("linking with the unit tests", "no error", result.stderr[-500:])
        for file in build.UNIT_PROGRAMS[program]:
            refuse_replacing(place, file, half)
        half.rename(runner)
    return runner


def run_test(runner, name, cwd):
    """(passed, output)."""
    def prepare():
        build.limits(30, -1, 16 << 20)()
        confine()
    process = subprocess.Popen([runner], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, preexec_fn=prepare,
                               env={"TEST": name, "ASAN_OPTIONS": "detect_leaks=0:symbolize=0", "LC_ALL": "C"})
    try:
        output = process.communicate(timeout=TEST_SECONDS)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0].decode("utf-8", "replace") + f"\ntook longer than {TEST_SECONDS} s"
    return process.returncode == 0 and "[  PASSED  ] 1 test(s)" in output, output


def unit(points, text, name, *tests, program="test_virtq"):
    def run(one, evidence):
        bench = Bench()
        try:
            runner = link_runner(harness.qemu.BUILD.parent, program)
            for test in tests:
                bench.steps.append(f"unit test: {test.replace('_', ' ')} (tests/unit/{program}.c)")
                passed, output = run_test(runner, f"test_{test}", evidence.path)
                if not passed:
                    evidence.write("output", output)
                    lines = [line for line in output.splitlines() if "error:" in line.lower() or "expected" in line
                             or "!=" in line or "LINE" in line or "Sanitizer" in line or "longer than" in line]
                    raise Failure(f"unit test {test.replace('_', ' ')}", "success", "; ".join(lines[:3]) or "failure")
        except Failure as failure:
            return bench, failure
        return bench, None

    def body(_):
        raise NotImplementedError
    body.__name__ = name
    case(points, text, guest=False, bench=run, program=program)(body)
    return body
