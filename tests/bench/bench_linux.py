"""`make bench-linux`: a Debian Linux guest beside rvnet and the floor, in one run, measured by the same peer.

usage: bench_linux.py [--repeat N]

The kernel is Debian's package for riscv64, from the mirror that this machine's apt uses, by way of an apt
configuration of our own: nothing is installed. Its only program is user/bench/main.c, compiled for Linux (linux/).
What cannot be had is said in one line, and is not an error. Results: a table, build/bench/linux.json.
"""

import argparse
import contextlib
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import report
from bench import KERNEL, Subject, machine, offer_in_turns, say
from counts import OUTSIDE, Counters, measure, totals
from rig import BENCH, Failed, Rig, missing

HERE = Path(__file__).resolve().parent
FOLDER = BENCH / "linux"
COMPILER = "riscv64-linux-gnu-gcc"
TOOLS = {"apt-get": "this is not Debian", "dpkg-deb": "this is not Debian",
         COMPILER: "Debian has it in gcc-riscv64-linux-gnu, with libc6-dev-riscv64-cross"}
COMPILER_FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
SUITES = ("trixie", "sid")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MODULES = ("failover.ko", "net_failover.ko", "virtio_net.ko", "virtio_mmio.ko")  # init.c loads them
DOWNLOAD_S = 600
RATES = [int(1000 * 1.3 ** step) for step in range(17)]  # offered to Linux: its flood says nothing of its best
ROW = (("round_trip_us", "round trip, us"), ("echo_1", "echoes/s, 1 in flight"), ("echo_8", "8 in flight"),
       ("echo_32", "32 in flight"), ("transmit", "transmit/s"), ("receive", "receive/s at <= 1 % loss"),
       ("flood", "in a flood"))
EVENTS = ("doorbells", "interrupts", "switches")  # per echo, 32 in flight
COUNTS = ("instructions", "tlb_flushes", "csr", "atomics", "bytes_stored")  # per echo, 8 in flight


class Missing(Exception):
    """What this machine has not; the text says what."""


# --- the guest ---

def tools_check():
    for tool, reason in TOOLS.items():
        if not shutil.which(tool):
            raise Missing(f"no {tool}: {reason}")
    libc = subprocess.run([COMPILER, "-print-file-name=libc.a"], capture_output=True, text=True).stdout
    if not libc.startswith("/"):
        raise Missing(f"no libc.a for {COMPILER}: {TOOLS[COMPILER]}")


def apt(tool, *arguments):
    """What it printed; nothing if it failed."""
    try:
        done = subprocess.run([tool, *arguments], env={**os.environ, "APT_CONFIG": str(FOLDER / "apt.conf")},
                              cwd=FOLDER / "archives", capture_output=True, text=True, timeout=DOWNLOAD_S)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""


def apt_configure(mirror, suite):
    """An apt that knows this suite only, for riscv64, and keeps what it knows here."""
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (FOLDER / "sources.list").write_text(f"deb {signed}{mirror} {suite} main\n")
    for folder in ("lists", "archives"):
        (FOLDER / folder / "partial").mkdir(parents=True, exist_ok=True)
    (FOLDER / "status").touch()
    settings = {"Dir::Etc::sourcelist": FOLDER / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
                "Dir::State": FOLDER, "Dir::State::status": FOLDER / "status", "Dir::Cache": FOLDER,
                "APT::Architecture": "riscv64", "APT::Architectures": "riscv64", "Acquire::Languages": "none"}
    (FOLDER / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))


def package():
    """The kernel's package, downloaded when it is first needed."""
    kept = sorted(FOLDER.glob("*.deb"))
    if kept:
        return kept[-1]
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True)
    mirrors = sorted({uri for uri in listed.stdout.split() if uri.rstrip("/").endswith("/debian")})
    for mirror, suite in ((mirror, suite) for suite in SUITES for mirror in mirrors):
        apt_configure(mirror, suite)
        apt("apt-get", "update")
        name = re.search(r"Depends: (linux-image-\d\S*)", apt("apt-cache", "depends", "linux-image-riscv64"))
        if name and apt("apt-get", "download", name.group(1)):
            deb = next((FOLDER / "archives").glob(f"{name.group(1)}_*.deb"))
            return deb.rename(FOLDER / deb.name)
    raise Missing(f"apt's Debian mirrors offer no linux-image-riscv64 of {' or '.join(SUITES)}, or cannot be reached")


def unpack(deb):
    """(name, content) of the kernel's image, which is flat as QEMU starts it, and of the modules that are wanted."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as dpkg, \
            tarfile.open(fileobj=dpkg.stdout, mode="r|") as archive:
        for entry in archive:
            name = Path(entry.name).name
            if name.startswith("vmlinux-") and entry.isfile():
                yield "image", archive.extractfile(entry).read()
            elif name.removesuffix(".xz") in MODULES:
                content = archive.extractfile(entry).read()
                yield name.removesuffix(".xz"), lzma.decompress(content) if name.endswith(".xz") else content


def init_build():
    """The guest's only program."""
    for arguments in (["-Dmain=bench_main", "-include", HERE / "linux" / "rvnet.h", "-c", "-o", FOLDER / "bench.o",
                       HERE.parents[1] / "user" / "bench" / "main.c"],
                      ["-static", "-o", FOLDER / "init", HERE / "linux" / "init.c", FOLDER / "bench.o"]):
        done = subprocess.run([COMPILER, *COMPILER_FLAGS, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr)
    return (FOLDER / "init").read_bytes()


def cpio(files):
    """An archive in the format that the kernel unpacks as its first root ("newc": 13 numbers of 8 hexadecimal digits,
    the name, the content, each part padded to 4 bytes)."""
    archive = b""
    for number, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        fields = (number, 0o100755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        for part in (b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0", content):
            archive += part + bytes(-len(part) % 4)
    return archive


def guest_build():
    """Everything that a Linux guest is made of, in FOLDER; the name of its kernel."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    tools_check()
    deb = package()
    files = dict(unpack(deb))
    if "image" not in files:
        raise Missing(f"{deb.name} holds no vmlinux")
    (FOLDER / "image").write_bytes(files.pop("image"))
    (FOLDER / "initrd").write_bytes(cpio({"init": init_build(), **files}))
    return re.match(r"linux-image-(\d+\.\d+)", deb.name).group(1)


def linux_rig(smp, plain, counters=None):
    return Rig(FOLDER / "image", smp=smp, bare=True, counters=counters,
               options=["-bios", "default", "-m", "256M", "-initrd", str(FOLDER / "initrd"),
                        "-append", "quiet console=ttyS0" + (" -- plain" if plain else "")])


# --- measuring ---

class Totals(Counters):
    """Counts without names of functions: Debian's package carries no symbols."""

    def __init__(self):
        self.functions, self.names, self.out = [], [OUTSIDE], None


def guests(linux, counted):
    """(mode, harts, floor, function that starts it) of what is compared; counted: only where counts are exact."""
    yield "floor", 1, True, lambda **more: Rig(BENCH / "floor.elf", bare=True, **more)
    for smp in (1,) if counted else (1, 3):
        yield "rvnet", smp, False, lambda smp=smp, **more: Rig(KERNEL, smp=smp, **more)
        for plain in (True, False):
            yield (f"{linux}, {'recvfrom' if plain else 'recvmmsg'}", smp, False,
                   lambda smp=smp, plain=plain, **more: linux_rig(smp, plain, **more))


def times(linux, repeat):
    """The results of all guests. All are there at once, and are measured in turns."""
    with contextlib.ExitStack() as stack:
        subjects = []
        for mode, smp, floor, start in guests(linux, False):
            subjects.append(Subject(stack.enter_context(start()), "virtio-mmio", smp, bare=floor,
                                    rates=RATES if linux in mode else ()))
            subjects[-1].result["mode"] = mode
        for number in range(repeat):
            say(f"round {number + 1} of {repeat}")
            for subject in subjects:
                subject.slice()
        offer_in_turns(subjects, "virtio-mmio")
        return [subject.finish() for subject in subjects]


def counts(linux):
    result = {}
    for mode, _, _, start in guests(linux, True):
        counters = Totals()
        with start(counters=counters) as rig:
            result[mode] = totals(measure(rig, counters, 64, 8)[0])
    return result


def table(results):
    def cell(subject, key):
        ratio = subject[key] / (report.floor_of(results, subject)[key] or 1)
        return report.number(subject[key]) + ("" if subject["floor"] else f" ({ratio:.3g})")

    rows = [["64 bytes, virtio-mmio; (ratio to the floor)", *(text for _, text in ROW), "wrong, lost",
             *(f"{event}/echo" for event in EVENTS)]]
    for subject in results["subjects"]:
        rows.append([f"{subject['mode']}, -smp {subject['smp']}", *(cell(subject, key) for key, _ in ROW),
                     f"{subject['wrong']:.0f}, {subject['echo_32_loss'] * 100:.1f} %",
                     *(report.number(subject[event]) for event in EVENTS)])
    counted = [["per echo, 8 in flight", *(key.replace("_", " ") for key in COUNTS)]]
    counted += [[mode, *(report.number(row[key]) for key in COUNTS)] for mode, row in results["counts"].items()]
    return "\n".join([*report.columns(rows), "", *report.columns(counted)])


def main():
    parser = argparse.ArgumentParser(prog="bench_linux")
    parser.add_argument("--repeat", type=int, default=3, help="slices of each figure (default 3)")
    options = parser.parse_args()
    if missing():
        sys.exit(f"bench-linux: {missing()}")
    try:
        linux = f"Linux {guest_build()}"
    except Missing as reason:
        say(f"bench-linux: skipped: {reason}")
        return
    results = {"machine": machine(), "subjects": times(linux, options.repeat), "counts": counts(linux)}
    results["machine"]["load_average_after"] = os.getloadavg()[0]
    (BENCH / "linux.json").write_text(json.dumps(results, indent=1) + "\n")
    say(f"{results['machine']}\n\n{table(results)}\n\n{BENCH / 'linux.json'}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench-linux: {failure}")
