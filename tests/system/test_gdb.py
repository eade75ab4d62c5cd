"""gdbinit: breakpoints work, and its commands print what the kernel holds."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("break socket_recvfrom", "continue", "rv-virtqs", "rv-mbufs", "rv-sockets", "rv-arp", "rv-procs",
            "rv-user udpecho", "backtrace 3")


def test_breakpoint_and_commands(boot):
    evidence = boot.evidence
    path = os.path.relpath(evidence.path / "gdb.socket", ROOT)  # the path of a socket must be short
    options = ("-S", "-chardev", f"socket,id=gdb,path={ROOT / path},server=on,wait=off", "-gdb", "chardev:gdb")
    # The debugger itself looks in front of the reset address, where there is nothing.
    allow = (r"Invalid read at addr 0xFFC",)
    with boot(allow, run="udpecho 7", options=options, deadline=50) as guest:
        target = evidence.path / "gdb-target"
        target.write_text(f"target remote {path}\n")
        words = ["gdb-multiarch", "-nx", "-batch", "-x", "gdbinit"]
        for command in COMMANDS:
            words += ["-ex", command]
        result = subprocess.run(words, cwd=ROOT, env={**os.environ, "RVNET_GDB_TARGET": str(target)}, timeout=40,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        said = result.stdout + result.stderr
        evidence.write("gdb", said)
        assert guest.running()
    assert "Breakpoint 1, socket_recvfrom" in said, said
    assert re.search(r"^virtio0 queue 0: size 256, free 0, chains outstanding 256", said, re.M), said
    assert re.search(r"^disk0 queue 0: size 64, free \d+", said, re.M), said
    assert re.search(r"^MBUF_RX_RING +256$", said, re.M), said
    assert re.search(r"udp +0\.0\.0\.0:7 -> 0\.0\.0\.0:0 queued 0", said), said
    assert re.search(r"PROCESS_RUNNING +udpecho", said), said
    assert "in sys_recvfrom" in said, said
    assert "cannot show" not in said, said
