"""`make qemu` and `make qemu-gdb`: rvnet on the terminal, with a network.

On the guest's one Ethernet are QEMU's user network (gateway 10.0.2.2, DNS 10.0.2.3) and the scripted peer
10.0.2.100, which runs in this process and ends with QEMU; so `nettests` works at the guest's prompt. This
process is the switch between them. (A QEMU hub would do with less, but it floods: the user network
sees the frames for the peer, sends them on to the real 10.0.2.100, and whoever answers there answers too.)
Ctrl-A x leaves QEMU, Ctrl-C goes to the guest. The disk is
build/disk.img, a copy of fs.img that keeps what the guest writes until fs.img is built anew (tests use fs.img
itself, and never write to it). --gdb waits for a debugger on a free port, and writes the gdb
command that connects to it into build/gdb-target, which gdbinit reads.
"""

import argparse
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from . import qemu
from .control import Control
from .demo import PEER_IP, PEER_MAC
from .evidence import BUILD
from .host import Host
from .link import Link
from .wire import mac


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_disk(disk):
    image = BUILD / "fs.img"
    if not disk.exists() or disk.stat().st_mtime < image.stat().st_mtime:
        shutil.copy(image, disk)
    return disk


def switch(guest, uplink):
    """Frames for the peer stay here; all others go between the guest and the user network."""
    peer = mac(PEER_MAC)

    def forward(frame):
        if frame[0:6] != peer:
            uplink.send(frame)

    guest.handlers.append(forward)
    uplink.handlers.append(guest.send)


def network(nic, guest, uplink):
    """The card on one link; on the other the user network, joined to it by a hub with just these two ports."""
    return ["-netdev", f"dgram,id=n0,local.type=fd,local.str={guest.fileno_for_qemu()}",
            "-device", f"{qemu.CARDS[nic]},netdev=n0,mac={qemu.GUEST_MACS[0]}",
            "-netdev", "user,id=user", "-netdev", f"dgram,id=uplink,local.type=fd,local.str={uplink.fileno_for_qemu()}",
            "-netdev", "hubport,id=h0,hubid=0,netdev=user", "-netdev", "hubport,id=h1,hubid=0,netdev=uplink"]


def debugger(target):
    port = free_port()
    target.write_text(f"target remote localhost:{port}\n")
    print(f"waiting for a debugger on port {port}: gdb-multiarch -x gdbinit in another terminal", flush=True)
    return ["-S", "-gdb", f"tcp:127.0.0.1:{port}"]


def main():
    parser = argparse.ArgumentParser(prog="run")
    parser.add_argument("--smp", type=int, default=3)
    parser.add_argument("--nic", choices=qemu.CARDS, default="virtio")
    parser.add_argument("--gdb", action="store_true", help="wait for a debugger")
    parser.add_argument("--gdb-target", type=Path, default=BUILD / "gdb-target", metavar="FILE",
                        help="where the command that connects a debugger goes")
    parser.add_argument("--disk", type=Path, default=BUILD / "disk.img", metavar="FILE")
    parser.add_argument("--run", help="a command to run in place of the shell")
    parser.add_argument("--pcap", help="write every frame on the guest's cable to this file")
    parser.add_argument("qemu", nargs="*", help="more options for QEMU, behind --")
    options = parser.parse_args()
    lacking = qemu.missing()
    if lacking:
        sys.exit(f"run: {lacking}")
    link, uplink = Link(options.pcap, keep=False), Link(keep=False)
    Control(Host(link, PEER_IP, PEER_MAC))
    switch(link, uplink)
    command = qemu.machine(options.smp) + list(qemu.MODERN) + ["-display", "none", "-serial", "mon:stdio"]
    command += qemu.disk_options(own_disk(options.disk), snapshot=False) + network(options.nic, link, uplink)
    if options.run:
        command += ["-append", f"run={options.run}"]
    command += (debugger(options.gdb_target) if options.gdb else []) + options.qemu
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C belongs to the guest
    process = subprocess.Popen(command, pass_fds=[link.fileno_for_qemu(), uplink.fileno_for_qemu()],
                               preexec_fn=qemu.end_with_parent)
    code = process.wait()
    link.close()
    uplink.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
