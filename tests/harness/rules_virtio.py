"""The rules of virtio 1.2 for drivers that can be seen from outside, for devices over MMIO and over PCI. Those for the
transports alone, about registers and interrupts, are in rules_transport.py.

Row ids are those of tests/conformance.tsv. Most rules walk through a device's accesses beside the State in which
they met it.
"""

from .recorder import Access, Given, Taken, Transfer
from .rules import Rules

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET, FAILED = 1, 2, 4, 8, 0x40, 0x80
RAM = range(0x80000000, 0x80000000 + (128 << 20))


def mask(*bits):
    return sum(1 << bit for bit in bits)


# What each driver may accept; beside it EVENT_IDX, VERSION_1, ACCESS_PLATFORM and ORDER_PLATFORM, which are common.
COMMON_BITS = mask(29, 32, 33, 36)
WHITELIST = {"net": COMMON_BITS | mask(0, 1, 3, 5, 16, 17, 18), "blk": COMMON_BITS | mask(5, 9)}
# bit: bits of which one must be accepted too (5.1.3.1)
NET_NEEDS = {7: (1,), 8: (1,), 10: (1,), 9: (7, 8), 11: (0,), 12: (0,), 14: (0,), 56: (0,), 13: (11, 12),
             18: (17,), 19: (17,), 20: (17,), 21: (17,), 22: (17,), 23: (17,), 60: (17,), 61: (11, 12), 57: (17,)}
# (first byte, bytes, the feature that brings the field or None, the widths of its parts)
NET_FIELDS = ((0, 6, 5, 1), (6, 2, 16, 2), (8, 2, 22, 2), (10, 2, 3, 2), (12, 4, 63, 4), (16, 1, 63, 1))
BLK_FIELDS = ((0, 8, None, 4), (8, 4, 1, 4), (12, 4, 2, 4), (16, 4, 4, 2), (20, 4, 6, 4), (24, 8, 10, 2),
              (32, 1, 11, 1), (34, 2, 12, 2))
FIELDS = {"net": NET_FIELDS, "blk": BLK_FIELDS}
ADDRESSES = {"desc_low": 16, "driver_low": 2, "device_low": 4}  # alignment (2.7.1)
SET_UP = {"queue_size", "desc_low", "desc_high", "driver_low", "driver_high", "device_low", "device_high"}

rules = Rules()


class State:
    """What a device has been told so far in this life, that is since its last reset."""

    def __init__(self):
        self.selected = {}  # selector register: value; not undone by a reset
        self.begin()

    def begin(self):
        self.status = self.offered = self.accepted = 0
        self.words_read, self.words_written = set(), set()
        self.max, self.size, self.set_up, self.ready = {}, {}, {}, set()

    @property
    def queue(self):
        return self.selected.get("queue_sel")

    def see(self, access):
        register, value = access.register, access.value
        if register.endswith("_sel") and access.write:
            self.selected[register] = value
        elif register == "device_features":
            word = self.selected.get("device_features_sel", 0)
            self.offered |= value << 32 * word
            self.words_read.add(word)
        elif register == "driver_features" and access.write:
            word = self.selected.get("driver_features_sel", 0)
            self.accepted |= value << 32 * word
            self.words_written.add(word)
        elif register == "status" and access.write:
            if value == 0:
                self.begin()
            self.status = value
        else:
            self.see_queue(access)

    def see_queue(self, access):
        if access.register == "queue_max" or (access.register == "queue_size" and not access.write):
            self.max.setdefault(self.queue, access.value)
        elif access.write and access.register in SET_UP:
            self.set_up.setdefault(self.queue, set()).add(access.register)
            if access.register == "queue_size":
                self.size[self.queue] = access.value
        elif access.write and access.register == "queue_ready":
            (self.ready.add if access.value else self.ready.discard)(self.queue)


def walk(device):
    """(access, the state before it)"""
    state = State()
    for access in device.accesses():
        yield access, state
        state.see(access)


def lives(device):
    """The status writes of each life, its initial 0 left out."""
    found = []
    for access in device.accesses("status"):
        if access.write and access.value == 0:
            found.append([])
        elif access.write:
            (found or [[]])[-1].append(access.value)
    return found


def virtio(*rows, **where):
    return rules(*rows, **{"kind": ("net", "blk"), **where})


# --- initialisation (3.1.1), status (2.1), reset (2.4) ---

@virtio("ST-1", "IN-0", "IN-1", "IN-2", "IN-3", "IN-7", "IN-11", "MMIO-29")
def status_goes_through_all_steps(device):
    """Each life is 1, 3, b, f, or the beginning of that; one at least is complete."""
    steps = [ACKNOWLEDGE, ACKNOWLEDGE | DRIVER, ACKNOWLEDGE | DRIVER | FEATURES_OK,
             ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK]
    if any(access.value != 2 for access in device.accesses("version")):
        return  # a legacy device, which is not initialised
    writes = [access.value for access in device.accesses("status") if access.write]
    yield None if writes[:1] == [0] else f"the first write of the status is {writes[:1]}, expected 0"
    for life in lives(device):
        words = [hex(value) for value in life]
        yield None if life == steps[:len(life)] else f"status written as {words}, expected steps 1, 3, b, f"
    yield None if steps in lives(device) else "never became live"


@virtio("ST-2")
def status_keeps_its_bits(device):
    last = 0
    for access in device.accesses("status"):
        if access.write and access.value:
            kept = access.value & last == last
            yield None if kept else f"line {access.line}: status {access.value:#x} behind {last:#x}"
        last = access.value


@virtio("RS-1", "PCI-19")
def reset_is_awaited(device):
    """After the write of 0 nothing is written until a 0 was read."""
    waiting = None
    for access in device.accesses():
        if access.register == "status" and not access.write and access.value == 0:
            if waiting:
                yield None
            waiting = None
        elif waiting and access.write:
            yield f"line {access.line}: {access.register} written, but the reset of line {waiting} not seen to end"
        if access.register == "status" and access.write and access.value == 0:
            waiting = access.line


@virtio("IN-4")
def whole_offer_is_read_first(device):
    for access, state in walk(device):
        if access.register == "driver_features" and access.write:
            yield None if state.words_read == {0, 1} else (
                f"line {access.line}: features accepted when words {sorted(state.words_read)} of the offer were read")


@virtio("FB-1")
def accepted_was_offered(device):
    for access, state in walk(device):
        if is_choice(access):
            extra = state.accepted & ~state.offered
            yield f"line {access.line}: {extra:#x} accepted but not offered" if extra else None


@virtio("IN-4", "V13-1", "V13-2", "V13-3", "V13-4", "V13-15", "RF-10", "SQ-6", "LEG-12")
def accepted_is_understood(device):
    for access, state in walk(device):
        if is_choice(access):
            extra = state.accepted & ~WHITELIST[device.kind]
            yield f"line {access.line}: {extra:#x} accepted, which the driver does not know" if extra else None


@virtio("FB-2", "NETDEP-1", "NETDEP-2", "NETDEP-3", "NETDEP-4", "NETDEP-5", "NETDEP-6", "V13-9", "V13-10",
        kind=("net",))
def accepted_has_what_it_needs(device):
    for access, state in walk(device):
        if not is_choice(access):
            continue
        for bit, needs in NET_NEEDS.items():
            has = not state.accepted >> bit & 1 or any(state.accepted >> need & 1 for need in needs)
            yield None if has else f"line {access.line}: bit {bit} accepted without any of {needs}"


def is_choice(access):
    """The moment at which the driver's choice of features is complete."""
    return access.register == "status" and access.write and access.value == ACKNOWLEDGE | DRIVER | FEATURES_OK


def accepted_if_offered(name, bit, row, kind):
    """A rule of its own for each feature that a driver should accept where it is offered."""
    def rule(device):
        for access, state in walk(device):
            if is_choice(access) and state.offered >> bit & 1:
                yield None if state.accepted >> bit & 1 else f"line {access.line}: bit {bit} offered, not accepted"
    rule.__name__ = f"{name}_is_accepted_if_offered"
    virtio(row, kind=kind)(rule)


accepted_if_offered("version_1", 32, "RF-1", ("net", "blk"))
accepted_if_offered("access_platform", 33, "RF-3", ("net", "blk"))
accepted_if_offered("mac", 5, "NET-1", ("net",))
accepted_if_offered("mtu", 3, "NET-6", ("net",))
accepted_if_offered("read_only", 5, "BLK-6", ("blk",))


@virtio("MMIO-12", "MMIO-13")
def selector_comes_before_features(device):
    for access, state in walk(device):
        if access.register in ("device_features", "driver_features"):
            chosen = f"{access.register}_sel" in state.selected
            yield None if chosen else f"line {access.line}: {access.register} accessed, nothing selected"


@virtio("IN-6", "V13-8")
def configuration_is_not_written(device):
    for access in device.accesses("config"):
        yield f"line {access.line}: write to the configuration at {access.offset}" if access.write else None


@virtio("IN-8")
def features_are_closed_by_features_ok(device):
    for access, state in walk(device):
        if access.register == "driver_features" and access.write:
            yield f"line {access.line}: features written in status {state.status:#x}" \
                if state.status & FEATURES_OK else None


@virtio("IN-9")
def features_ok_is_read_back(device):
    """The next access to the device reads the status."""
    last = None
    for access in device.accesses():
        if last is not None:
            good = access.register == "status" and not access.write
            yield None if good else f"line {access.line}: {access.register} accessed, status expected to be read back"
        last = access if is_choice(access) else None


@virtio("IN-10")
def queues_are_set_up_between_features_ok_and_driver_ok(device):
    for access, state in walk(device):
        if access.write and access.register in SET_UP | {"queue_ready"}:
            right = state.status & FEATURES_OK and not state.status & DRIVER_OK
            yield None if right else f"line {access.line}: {access.register} written in status {state.status:#x}"


@virtio("IN-14")
def no_doorbell_before_driver_ok(device):
    for access, state in walk(device):
        if access.register == "queue_notify":
            live = state.status & DRIVER_OK and not state.status & FAILED
            yield None if live else f"line {access.line}: doorbell in status {state.status:#x}"


# --- configuration space (2.5) ---

@virtio("CF-1", "CF-2")
def fields_are_of_one_generation(device):
    """Every run of reads lies between two reads of the same generation, or is repeated."""
    generation, fields, unsettled = None, 0, None
    for access in device.accesses("generation", "config"):
        if access.register == "config":
            if generation is None:
                yield f"line {access.line}: configuration read, generation not read before"
            fields += 1
        elif fields:
            yield None
            unsettled = None if access.value == generation else access.line
            generation, fields = None if unsettled is None else access.value, 0
        else:
            generation = access.value
    if fields:
        yield "configuration read, generation not read afterwards"
    if unsettled:
        yield f"line {unsettled}: another generation than before, but the fields are not read again"


@virtio("CF-3", "BLK-4")
def optional_fields_are_left_alone(device):
    """A field that comes with a feature is read only if that was offered."""
    for access, state in walk(device):
        if access.register == "config":
            field = next((field for field in FIELDS[device.kind]
                          if field[0] <= access.offset < field[0] + field[1]), None)
            present = field and (field[2] is None or state.offered >> field[2] & 1)
            yield None if present else f"line {access.line}: read at {access.offset}, where there is no field"


@virtio("MMIO-5", "PCI-5")
def fields_are_read_at_their_width(device):
    for access in device.accesses("config"):
        width = next((parts for start, size, _, parts in FIELDS[device.kind]
                      if start <= access.offset < start + size), None)
        yield None if access.size == width and access.offset % access.size == 0 else (
            f"line {access.line}: {access.size} bytes read at {access.offset}, expected {width}")


# --- queues (2.7, 4.2.3.2, 4.1.5.1.3) ---

@virtio("SQ-1")
def rings_are_aligned(device):
    for access in device.accesses(*ADDRESSES):
        align = ADDRESSES[access.register]
        yield f"line {access.line}: {access.register} {access.value:#x}, expected a multiple of {align}" \
            if access.value % align else None


@virtio("RF-5")
def rings_are_in_ram(device):
    for access in device.accesses(*ADDRESSES, "desc_high", "driver_high", "device_high"):
        good = access.value == 0 if access.register.endswith("_high") else access.value in RAM
        yield None if good else f"line {access.line}: {access.register} {access.value:#x} is not in memory"


@virtio("MMIO-14")
def size_is_within_the_maximum(device):
    for access, state in walk(device):
        if access.register == "queue_size" and access.write:
            most = state.max.get(state.queue, 0)
            yield None if 0 < access.value <= most else f"line {access.line}: size {access.value}, maximum {most}"


@virtio("P-4", "PCI-17")
def size_is_a_power_of_two(device):
    for access in device.accesses("queue_size"):
        if access.write:
            good = 0 < access.value <= 32768 and access.value & access.value - 1 == 0
            yield None if good else f"line {access.line}: queue size {access.value}"


@virtio("MMIO-15")
def live_queue_is_left_alone(device):
    for access, state in walk(device):
        if access.write and access.register in SET_UP:
            yield f"line {access.line}: {access.register} of queue {state.queue} written, which is live" \
                if state.queue in state.ready else None


@virtio("P-22", "PCI-18", "P-21")
def queue_is_made_live_last(device):
    """Selected, seen not to be live, its maximum read; then size and addresses; then live."""
    ready_read = {}
    for access, state in walk(device):
        if access.register == "status" and access.write and access.value == 0:
            ready_read = {}
        if access.register != "queue_ready":
            continue
        if not access.write:
            ready_read[state.queue] = access.value
            continue
        missing = SET_UP - state.set_up.get(state.queue, set())
        if state.queue not in state.max:
            missing.add("a look at the maximum")
        if ready_read.get(state.queue) != 0:
            missing.add("a look whether it is live")
        yield f"line {access.line}: queue {state.queue} made live without {sorted(missing)}" if missing else None


@virtio("PCI-20")
def queue_is_never_disabled(device):
    """Queues are stopped by the reset of their device."""
    for access in device.accesses("queue_ready"):
        if access.write:
            yield None if access.value == 1 else f"line {access.line}: {access.value} written to queue_ready"


@virtio("NET-45", "NET-46", "NET-47", "NET-57", kind=("net",))
def control_queue_needs_its_feature(device):
    """Without CTRL_VQ there are a receive and a transmit queue only, so no command can be sent."""
    for access, state in walk(device):
        if access.register == "queue_ready" and access.write:
            allowed = state.queue < 2 or state.accepted >> 17 & 1
            yield None if allowed else f"line {access.line}: queue {state.queue} made live"


@virtio("P-19", "P-23", "V13-7")
def doorbell_names_a_live_queue(device):
    for access, state in walk(device):
        if access.register == "queue_notify":
            place = (access.offset - 0x3000) // 4 if device.transport == "pci" else access.value
            good = access.value in state.ready and place == access.value
            yield None if good else (
                f"line {access.line}: doorbell {place} rung with {access.value}, live: {state.ready}")


@virtio("V13-5", transport="pci")
def doorbell_is_16_bits_wide(device):
    for access in device.accesses("queue_notify"):
        yield None if access.size == 2 else f"line {access.line}: doorbell of {access.size} bytes"


@virtio("SQ-8", "P-6")
def no_more_is_outstanding_than_the_ring_holds(device):
    outstanding, state = {}, State()
    for event in device.events:
        if isinstance(event, Access):
            state.see(event)
            if event.register == "status" and event.write and event.value == 0:
                outstanding = {}
        elif isinstance(event, (Taken, Given)):
            change = 1 if isinstance(event, Taken) else -1
            outstanding[event.queue] = outstanding.get(event.queue, 0) + change
            size = state.size.get(event.queue, 0)
            chain = event.readable + event.writable if change == 1 else 1
            yield None if outstanding[event.queue] <= size and chain <= size else (
                f"line {event.line}: {outstanding[event.queue]} chains out, this one of {chain}, ring of {size}")


@virtio("SQ-3", "SQ-2", kind=("net",))
def frames_take_one_descriptor(device):
    """And the receive queue holds buffers to write, all others buffers to read."""
    for event in device.events:
        if isinstance(event, Taken) and event.queue < 2:
            expected = (0, 1) if event.queue == 0 else (1, 0)
            yield None if (event.readable, event.writable) == expected else f"line {event.line}: {event}"


@virtio("P-29", "SQ-3", kind=("blk",))
def requests_have_header_data_and_status(device):
    for event in device.events:
        if isinstance(event, Taken):
            good = event.readable >= 1 and event.writable >= 1 and event.readable + event.writable <= 3
            yield None if good else f"line {event.line}: {event}"


@virtio("BLK-5", "P-30", kind=("blk",))
def transfers_stay_within_the_capacity(device):
    halves = {}
    for event in device.events:
        if isinstance(event, Access) and event.register == "config":
            halves[event.offset] = event.value
        elif isinstance(event, Transfer):
            capacity = halves.get(0, 0) | halves.get(4, 0) << 32
            yield None if 0 < event.count and event.sector + event.count <= capacity else (
                f"line {event.line}: sectors {event.sector} and {event.count} more, capacity {capacity}")
