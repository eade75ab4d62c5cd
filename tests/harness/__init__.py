"""rvnet's test harness: QEMU, the raw Ethernet link to it, and the scripted host at the other end.

Reading order: wire.py (frames as bytes), audit.py (what every frame of a guest must obey), link.py (the
cable), host.py (a small IP host in Python), control.py and judges.py (the host's side of nettests),
qemu.py (one run of QEMU), evidence.py (what a failed test leaves behind); demo.py and run.py are
`make demo` and `make qemu`. Nothing but Debian's Python is needed; pytest and scapy serve the tests.
"""
