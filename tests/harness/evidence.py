"""What a failed test leaves behind: one folder, build/evidence/NAME/.

    why          what was expected and what was found
    rerun        the command that runs just this test again, from the top of the tree
    command      the QEMU command line
    console      everything the guest printed
    stderr       QEMU's own messages
    qemu.log     what -d guest_errors says about the guest's use of devices
    nic0.pcap    every frame of that interface, both directions (tshark and scapy read it)
    nic0.frames  the same, one line each
    control      requests and verdicts of nettests

The folder of a test that passes is removed, unless RVNET_KEEP is set in the environment.
"""

import os
import re
import shutil
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RVNET_BUILD", TOP / "build"))


class Evidence:
    def __init__(self, name, rerun):
        """name: of the test, made fit for a folder; rerun: the command."""
        self.path = BUILD / "evidence" / re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_")[:200]
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self.write("rerun", rerun + "\n")

    def write(self, file, text):
        (self.path / file).write_text(text)

    def finish(self, failure):
        """failure: why the test failed, or None: then the folder goes. Returns where it is, or None."""
        if failure is None and not os.environ.get("RVNET_KEEP"):
            shutil.rmtree(self.path, ignore_errors=True)
            return None
        self.write("why", (failure or "passed") + "\n")
        return self.path
