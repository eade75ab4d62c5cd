"""The rules of the split ring (virtio 1.2, 2.7) that show in the rings' memory while the guest runs.

QEMU shows a queue's indices, flags and next chain on request (x-query-virtio-*). sample() takes one look at all
queues; a Ring is one queue's looks in the order in which they were taken.
"""

from .rules import Rules

RAM = range(0x80000000, 0x80000000 + (128 << 20))
NAMES = {"virtio-net": "net", "virtio-blk": "blk"}

rules = Rules()


class Ring:
    """looks: [{"size", "events" (event index negotiated), "available", "flags", "used", "chain"}]; chain: [(address,
    length, writable)] of the entry that the device takes or took next."""

    def __init__(self, name, kind, queue):
        self.name, self.kind, self.queue, self.transport = name, kind, queue, None
        self.looks = []


def sample(monitor):
    """{name: look} of every queue that is live."""
    looks = {}
    for device in monitor.command("x-query-virtio"):
        path, kind = device["path"], NAMES[device["name"]]
        features = monitor.command("x-query-virtio-status", path=path)["guest-features"]["transports"]
        for queue in range(2 if kind == "net" else 1):
            status = monitor.command("x-query-virtio-queue-status", path=path, queue=queue)
            if not status["vring-desc"]:
                continue
            element = monitor.command("x-query-virtio-queue-element", path=path, queue=queue)
            looks[f"{kind} {path} queue {queue}"] = {
                "size": status["vring-num"], "events": any("EVENT_IDX" in text for text in features),
                "available": element["avail"]["idx"], "flags": element["avail"]["flags"],
                "used": element["used"]["idx"],
                "chain": [(part["addr"], part["len"], "write" in part["flags"]) for part in element["descs"]]}
    return looks


def histories(samples):
    rings = {}
    for looks in samples:
        for name, look in looks.items():
            ring = rings.setdefault(name, Ring(name, name.split()[0], int(name.split()[-1])))
            ring.looks.append(look)
    return list(rings.values())


@rules("SQ-11", "P-6", "SQ-8")
def available_index_goes_forward_by_what_fits(ring):
    """Between the used index and it there are as many chains as the ring has entries, at most."""
    for look in ring.looks:
        ahead = look["available"] - look["used"] & 0xffff
        yield None if ahead <= look["size"] else f"index {look['available']}, used {look['used']}, size {look['size']}"


@rules("SQ-12")
def flags_are_0_or_1(ring):
    for look in ring.looks:
        if not look["events"]:
            yield None if look["flags"] in (0, 1) else f"flags {look['flags']:#x}"


@rules("SQ-14")
def flags_are_0_with_event_index(ring):
    for look in ring.looks:
        if look["events"]:
            yield None if look["flags"] == 0 else f"flags {look['flags']:#x}"


@rules("RF-5", "SQ-4")
def buffers_are_in_memory(ring):
    for look in ring.looks:
        for address, length, _ in look["chain"]:
            inside = length and address in RAM and address + length - 1 in RAM
            yield None if inside else f"buffer of {length} bytes at {address:#x}"


@rules("NET-37", "V14-2", kind=("net",))
def receive_buffers_take_a_whole_frame(ring):
    for look in ring.looks:
        if ring.queue == 0:
            length = sum(length for _, length, writable in look["chain"] if writable)
            yield None if length >= 1526 else f"receive buffer of {length} bytes"
