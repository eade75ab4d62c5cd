"""The device recorder: what the kernel did to its devices, from QEMU's own trace, as lists of events.

    with Guest(..., options=recorder.options(log)) as guest: ...
    recording = recorder.read(log)
    for device in recording.devices: rules.check(device)

QEMU writes one line for every access to a device register (address, value, width), to PCI configuration space, and
for every buffer that it takes from a virtqueue or gives back. read() makes Device objects of them, in which virtio
over MMIO and over PCI look the same: the same register names, so the rules of rules_virtio.py are written once. The
order of the lines is the order of the accesses, across all harts.

Nothing here knows what is right, but for one thing: a register that is not in a device's table gets no name
but "?" and its offset.
"""

import re
from collections import namedtuple

EVENTS = ("memory_region_ops_*", "virtio_*", "virtqueue_*", "pci_cfg_*")

# One access to a register. line: of the log; cpu: the hart; register: its name; offset: from the device's base, or
# for configuration fields from the first of them; value: as many bits as `size` bytes have.
Access = namedtuple("Access", "line cpu write register offset size value")
# The device takes a chain of so many readable and writable buffers from a queue, or gives one back.
Taken = namedtuple("Taken", "line queue readable writable")
Given = namedtuple("Given", "line queue length")
# A disk request as the device understood it, in sectors.
Transfer = namedtuple("Transfer", "line write sector count")
# One access to PCI configuration space.
Config = namedtuple("Config", "line write offset size value")
# What one hart did to a device between the claim of its interrupt and the completion.
Handling = namedtuple("Handling", "line accesses")

# name: (offset, bytes, "r" for read-only, "w" for write-only, "rw")
MMIO_REGISTERS = {
    "magic": (0x000, 4, "r"), "version": (0x004, 4, "r"), "device_id": (0x008, 4, "r"), "vendor_id": (0x00c, 4, "r"),
    "device_features": (0x010, 4, "r"), "device_features_sel": (0x014, 4, "w"),
    "driver_features": (0x020, 4, "w"), "driver_features_sel": (0x024, 4, "w"),
    "queue_sel": (0x030, 4, "w"), "queue_max": (0x034, 4, "r"), "queue_size": (0x038, 4, "w"),
    "queue_ready": (0x044, 4, "rw"), "queue_notify": (0x050, 4, "w"),
    "interrupt_status": (0x060, 4, "r"), "interrupt_ack": (0x064, 4, "w"), "status": (0x070, 4, "rw"),
    "desc_low": (0x080, 4, "w"), "desc_high": (0x084, 4, "w"), "driver_low": (0x090, 4, "w"),
    "driver_high": (0x094, 4, "w"), "device_low": (0x0a0, 4, "w"), "device_high": (0x0a4, 4, "w"),
    "shared_memory_sel": (0x0ac, 4, "w"), "queue_reset": (0x0c0, 4, "rw"), "generation": (0x0fc, 4, "r"),
}
PCI_REGISTERS = {
    "device_features_sel": (0x00, 4, "rw"), "device_features": (0x04, 4, "r"),
    "driver_features_sel": (0x08, 4, "rw"), "driver_features": (0x0c, 4, "rw"), "config_vector": (0x10, 2, "rw"),
    "num_queues": (0x12, 2, "r"), "status": (0x14, 1, "rw"), "generation": (0x15, 1, "r"),
    "queue_sel": (0x16, 2, "rw"), "queue_size": (0x18, 2, "rw"), "queue_vector": (0x1a, 2, "rw"),
    "queue_ready": (0x1c, 2, "rw"), "queue_notify_off": (0x1e, 2, "r"), "desc_low": (0x20, 4, "rw"),
    "desc_high": (0x24, 4, "rw"), "driver_low": (0x28, 4, "rw"), "driver_high": (0x2c, 4, "rw"),
    "device_low": (0x30, 4, "rw"), "device_high": (0x34, 4, "rw"), "isr": (0x1000, 1, "r"),
}
# Where QEMU's PCI devices have their structures: one 16 KiB region, of which each has a page.
PCI_CONFIG, PCI_NOTIFY, PCI_REGION_SIZE, PCI_NOTIFY_MULTIPLIER = 0x2000, 0x3000, 0x4000, 4
MMIO_BASE, MMIO_STRIDE, MMIO_CONFIG = 0x10001000, 0x1000, 0x100
PLIC_CLAIM, PLIC_STRIDE, PLIC_INTX = 0xc201004, 0x2000, 32
VIRTIO_KINDS = {1: "net", 2: "blk"}


class Device:
    """kind: "net", "blk", "e1000", or None for an empty slot. transport: "mmio", "pci". source: its interrupt."""

    def __init__(self, name, transport, source, kind=None):
        self.name, self.transport, self.source, self.kind = name, transport, source, kind
        self.events = []      # Access, Taken, Given and Transfer in the order in which they happened
        self.config = []      # Config
        self.handlings = []

    def accesses(self, *registers):
        return [event for event in self.events
                if isinstance(event, Access) and (not registers or event.register in registers)]


class Recording:
    def __init__(self):
        self.devices = []
        self.errors = []  # lines that are no trace: what -d guest_errors found

    def of(self, kind=None, transport=None):
        return [device for device in self.devices
                if kind in (None, device.kind) and transport in (None, device.transport)]


def options(log):
    """QEMU's options. The last -D on the command line counts, so these go behind others."""
    return [word for event in EVENTS for word in ("-trace", event)] + ["-D", str(log)]


ACCESS = re.compile(r"memory_region_ops_(read|write) cpu (\d+) mr \S+ addr 0x(\w+) value 0x(\w+) size (\d) name '(.*)'")
CONFIG = re.compile(r"pci_cfg_(read|write) (\S+) (\w+):(\w+)\.(\w) @0x(\w+) (?:->|<-) 0x(\w+)")
NOTIFY = re.compile(r"virtio_queue_notify vdev (\S+) n (\d+) vq (\S+)")
STATUS = re.compile(r"virtio_set_status vdev (\S+) val (\d+)")
POP = re.compile(r"virtqueue_pop vq (\S+) elem \S+ in_num (\d+) out_num (\d+)")
FILL = re.compile(r"virtqueue_fill vq (\S+) elem \S+ len (\d+) idx \d+")
TRANSFER = re.compile(r"virtio_blk_handle_(read|write) vdev (\S+) req \S+ sector (\d+) nsectors (\d+)")
TRACED = re.compile(r"(memory_region_ops|virtio|virtqueue|pci_cfg)_\w+ ")


class Reader:
    """Goes through a log once. QEMU names a virtio device by an address of its own (vdev): which device that is
    becomes known when a write to a status register is followed by the device's own line about it; and a queue
    (vq) by its first doorbell."""

    def __init__(self):
        self.recording = Recording()
        self.slots = {}     # MMIO slot: Device
        self.pci = {}       # "00:01.0": Device
        self.regions = {}   # base address: Device
        self.vdevs, self.queues = {}, {}
        self.status_written = None
        self.claims = {}    # hart: (source, the line, accesses since)
        self.line = 0

    def read(self, lines):
        handlers = ((ACCESS, self.access), (CONFIG, self.configuration), (STATUS, self.status),
                    (NOTIFY, self.notify), (POP, self.pop), (FILL, self.fill), (TRANSFER, self.transfer))
        for text in lines:
            self.line += 1
            for pattern, handler in handlers:
                match = pattern.match(text)
                if match:
                    handler(*match.groups())
                    break
            else:
                if text.strip() and not TRACED.match(text):
                    self.recording.errors.append(text.rstrip())
        return self.recording

    def new(self, *what):
        device = Device(*what)
        self.recording.devices.append(device)
        return device

    def access(self, direction, cpu, address, value, size, region):
        address, size, cpu, write = int(address, 16), int(size), int(cpu), direction == "write"
        value = int(value, 16) & ((1 << 8 * size) - 1)
        event = Access(self.line, cpu, write, None, None, size, value)
        if region == "virtio-mmio":
            device, event = self.mmio(event, address)
        elif region.startswith("virtio-pci-"):
            device, event = self.virtio_pci(event, address, region)
        elif region in ("e1000-mmio", "e1000-io"):
            device, event = self.e1000(event, address)
        else:
            if region == "riscv.sifive.plic":
                self.plic(event, address)
            return
        device.events.append(event)
        if event.register == "status" and write:
            self.status_written = device
        if cpu in self.claims:
            self.claims[cpu][2].append((device, event))

    def mmio(self, event, address):
        slot, offset = divmod(address - MMIO_BASE, MMIO_STRIDE)
        if slot not in self.slots:
            self.slots[slot] = self.new(f"virtio-mmio slot {slot}", "mmio", slot + 1)
        device = self.slots[slot]
        event = self.named(event, offset, MMIO_REGISTERS, MMIO_CONFIG)
        if event.register == "device_id":
            device.kind = VIRTIO_KINDS.get(event.value)
        return device, event

    def virtio_pci(self, event, address, region):
        base = address & -PCI_REGION_SIZE
        device = self.regions[base]
        device.kind = "blk" if region.endswith("-blk") else "net"
        offset = address - base
        if offset >= PCI_NOTIFY:
            return device, event._replace(register="queue_notify", offset=offset)
        return device, self.named(event, offset, PCI_REGISTERS, PCI_CONFIG)

    def e1000(self, event, address):
        base = max(base for base in self.regions if base <= address)
        self.regions[base].kind = "e1000"
        return self.regions[base], event._replace(register=f"{address - base:#x}", offset=address - base)

    @staticmethod
    def named(event, offset, table, config):
        if offset >= config:
            return event._replace(register="config", offset=offset - config)
        name = next((name for name, (start, _, _) in table.items() if start == offset), f"?{offset:#x}")
        return event._replace(register=name, offset=offset)

    def configuration(self, direction, name, bus, slot, function, offset, value):
        where, offset, value = f"{bus}:{slot}.{function}", int(offset, 16), int(value, 16)
        if where not in self.pci:
            source = PLIC_INTX + int(slot, 16) % 4
            self.pci[where] = self.new(f"{name} {where}", "pci", source)
        device = self.pci[where]
        device.config.append(Config(self.line, direction == "write", offset, None, value))
        # An address that is no test for the region's size is where the device's registers are from now on.
        if direction == "write" and 0x10 <= offset < 0x28 and value not in (0, 0xffffffff) and value & ~0xf:
            self.regions[value & ~0xf] = device

    def status(self, vdev, _):
        if self.status_written:
            self.vdevs[vdev], self.status_written = self.status_written, None

    def notify(self, vdev, queue, vq):
        self.queues[vq] = (self.vdevs.get(vdev), int(queue))

    def pop(self, vq, writable, readable):
        device, queue = self.queues.get(vq, (None, 0))
        if device:
            device.events.append(Taken(self.line, queue, int(readable), int(writable)))

    def fill(self, vq, length):
        device, queue = self.queues.get(vq, (None, 0))
        if device:
            device.events.append(Given(self.line, queue, int(length)))

    def transfer(self, direction, vdev, sector, count):
        if vdev in self.vdevs:
            self.vdevs[vdev].events.append(Transfer(self.line, direction == "write", int(sector), int(count)))

    def plic(self, event, address):
        if address < PLIC_CLAIM or (address - PLIC_CLAIM) % PLIC_STRIDE:
            return
        if not event.write:
            if event.value:
                self.claims[event.cpu] = (event.value, event.line, [])
            return
        source, line, accesses = self.claims.pop(event.cpu, (None, 0, []))
        for device in self.recording.devices:
            if device.source == source:
                device.handlings.append(Handling(line, [access for owner, access in accesses if owner is device]))


def read(log):
    with open(log, encoding="ascii", errors="replace") as lines:
        return Reader().read(lines)
