"""The rules for drivers, checked on what the kernel really did to its devices (harness/recorder.py).

A few runs of QEMU are recorded: each boots, exchanges frames in interrupt and in polled mode, takes the interface down
and up, loses and regains the link, and uses the disk. Each test is one rule over all of them; the rows
of tests/conformance.tsv name these tests. That the rules can fail is shown by test_recorder_rules.py.
"""

import fcntl
import json
import traceback

import pytest

from harness import recorder, rules, rules_e1000, rules_rings, rules_transport, rules_virtio
from harness.evidence import BUILD, Evidence
from harness.qemu import Guest, disk_options
from shell import Wired

# With it, doorbells take a path inside QEMU that is not traced.
NO_EVENTFD = ",ioeventfd=off"
PCI_DISK = ["-drive", f"file={BUILD / 'fs.img'},if=none,format=raw,id=disk0,readonly=on",
            "-device", "virtio-blk-pci,drive=disk0,disable-legacy=on,ioeventfd=off"]

RECORDINGS = {
    "virtio": {},
    "virtio without event index": {"nic": ",event_idx=off,iommu_platform=on",
                                   "disk": disk_options()[:-1] + ["virtio-blk-device,drive=disk0,event_idx=off"]},
    "virtio-pci": {"cards": ["virtio-pci"], "nic": NO_EVENTFD},
    "virtio-pci modern": {"cards": ["virtio-pci"], "nic": NO_EVENTFD + ",disable-legacy=on,host_mtu=1400",
                          "disk": PCI_DISK},
    "e1000": {"cards": ["e1000"]},
    "legacy": {"modern": False},
}


def session(wired, samples):
    """What a recording shows. Samples of the rings are taken between the steps."""
    def look():
        samples.append(rules_rings.sample(wired.guest.monitor))

    def talk():
        wired.introduce()
        for _ in range(20):
            wired.ping()
            look()

    name = next(line.split(":")[0] for line in wired.run("ifconfig").splitlines() if line[:1] not in ("", " ", "l"))
    talk()
    for setting in ("polled", "interrupt"):
        wired.run(f"ifconfig {name} {setting}")
        talk()
    wired.run(f"ifconfig {name} down")
    look()
    wired.run(f"ifconfig {name} up")
    talk()
    for up in (False, True):
        wired.guest.monitor.set_link(0, up)
        wired.guest.console.expect("link up" if up else "link down")
    talk()
    wired.run("mkdir /recorded")
    look()


def record(name, folder):
    """Makes the recording: a log of QEMU, the samples of the rings, and what else went wrong."""
    evidence = Evidence(f"recording {name}", "pytest tests/system/test_recorder.py")
    samples = []
    settings = {"cards": ["virtio"], **RECORDINGS[name]}
    with Guest(evidence, options=recorder.options(folder / "log"), **settings) as guest:
        if settings.get("modern", True):
            session(Wired(guest), samples)
        else:
            guest.wait(40)  # without a disk that it can use, it ends by itself
    (folder / "samples").write_text(json.dumps(samples))
    problems = guest.problems()
    evidence.finish("\n".join(problems) or None)
    return problems


class Recordings:
    """Each recording is made once, by the first test that asks for it, and shared by pytest's workers."""

    def __init__(self, folder):
        self.folder = folder
        self.loaded = {}

    def get(self, name):
        if name not in self.loaded:
            folder = self.folder / name.replace(" ", "_")
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / "lock", "w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not (folder / "result").exists():
                    try:
                        result = record(name, folder)
                    except Exception:  # pylint: disable=broad-except
                        result = [traceback.format_exc()]
                    (folder / "result").write_text(json.dumps(result))
            problems = json.loads((folder / "result").read_text())
            recording = recorder.read(folder / "log")
            rings = rules_rings.histories(json.loads((folder / "samples").read_text())) if not problems else []
            self.loaded[name] = problems, recording, rings
        return self.loaded[name]


@pytest.fixture(scope="session")
def recordings(tmp_path_factory, worker_id):
    base = tmp_path_factory.getbasetemp()
    return Recordings((base if worker_id == "master" else base.parent) / "recordings")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", RECORDINGS)
def test_recording(recordings, name):
    """The run went well, and QEMU found no mistake in what the drivers did (-d guest_errors)."""
    problems, recording, _ = recordings.get(name)
    assert problems == []
    assert recording.errors == []


def check(recordings, rule, part):
    """The rule holds in all recordings, and was put to the test. part: of what Recordings.get() gives."""
    total, faults = 0, []
    for name in RECORDINGS:
        result = recordings.get(name)
        cases, found = rules.check(rule, result[1].devices if part == "devices" else result[2])
        total += cases
        faults += [f"{name}: {fault}" for fault in found]
    assert not faults, f"{len(faults)} faults against {', '.join(rule.rows)}; the logs: {recordings.folder}\n" + \
        "\n".join(faults[:20])
    assert total > 0, f"no recording shows a case of {rule.name}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", rules_virtio.rules)
def test_virtio(recordings, rule):
    check(recordings, rules_virtio.rules[rule], "devices")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", rules_transport.rules)
def test_transport(recordings, rule):
    check(recordings, rules_transport.rules[rule], "devices")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", rules_rings.rules)
def test_rings(recordings, rule):
    check(recordings, rules_rings.rules[rule], "rings")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rule", rules_e1000.rules)
def test_e1000(recordings, rule):
    check(recordings, rules_e1000.rules[rule], "devices")
