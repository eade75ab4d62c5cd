"""The rules for a driver of Intel's 82540EM, and for the PCI set-up before it, that can be seen from outside.

Section numbers are those of the 8254x manual. A ring's registers are a base, a length, a head and a tail, at the same
distances for both directions.
"""

from .rules import Rules

CTRL, EERD, ICR, IMS, IMC, RCTL, TCTL = 0x0000, 0x0014, 0x00c0, 0x00d0, 0x00d8, 0x0100, 0x0400
RX_RING, TX_RING = 0x2800, 0x3800
HIGH, LENGTH, HEAD, TAIL = 0x04, 0x08, 0x10, 0x18
MTA, RAL0, RAH0 = range(0x5200, 0x5400, 4), 0x5400, 0x5404
RESET, ENABLE, VALID = 1 << 26, 1 << 1, 1 << 31
RECEIVED = 1 << 4 | 1 << 6 | 1 << 7  # the interrupt causes of reception
LONG, BROADCAST, STRIP, SIZES = 1 << 5, 1 << 15, 1 << 26, 3 << 16 | 1 << 25
COMMAND, REGION0, WINDOW = 4, 0x10, range(0x40000000, 0x80000000)
MEMORY, BUS_MASTER, INTX_OFF, DECODING = 2, 4, 0x400, 3
RAM = range(0x80000000, 0x80000000 + (128 << 20))
DESCRIPTOR = 16

rules = Rules()


def e1000(*rows):
    return rules(*rows, kind=("e1000",))


def written(device, *offsets):
    return [access for access in device.accesses() if access.write and access.offset in offsets]


def starts(device):
    """One list for each reset that was followed by turning on reception: the writes from the one to the other."""
    found, current = [], None
    for access in device.accesses():
        if not access.write:
            continue
        if access.offset == CTRL and access.value & RESET:
            current = []
        elif current is not None:
            current.append(access)
            if access.offset == RCTL and access.value & ENABLE:
                found.append(current)
                current = None
    return found


def position(writes, offset, value=None):
    """Where it is written last; -1: never."""
    places = [n for n, access in enumerate(writes)
              if access.offset == offset and (value is None or access.value & value)]
    return places[-1] if places else -1


# --- PCI ---

@e1000("E1K-PCI-4")
def regions_are_sized_with_decoding_off(device):
    command = 0
    for access in device.config:
        if access.write and access.offset == COMMAND:
            command = access.value
        elif access.write and REGION0 <= access.offset < 0x28:
            yield f"line {access.line}: region register written while decoding" if command & DECODING else None


@e1000("E1K-PCI-2", "E1K-PCI-5")
def region_lies_in_the_window(device):
    addresses = [access.value for access in device.config
                 if access.write and access.offset == REGION0 and access.value not in (0, 0xffffffff)]
    yield None if addresses else "no address was given to it"
    for address in addresses:
        good = address in WINDOW and address % 0x20000 == 0
        yield None if good else f"region 0 at {address:#x}"


@e1000("E1K-PCI-6", "E1K-PCI-7")
def bus_is_mastered_before_the_rings_are_set_up(device):
    commands = [access for access in device.config if access.write and access.offset == COMMAND]
    last = commands[-1].value if commands else 0
    yield None if last & MEMORY and last & BUS_MASTER and not last & INTX_OFF else f"command register {last:#x}"
    first = min((access.line for access in written(device, RX_RING, TX_RING)), default=0)
    on = min((access.line for access in commands if access.value & BUS_MASTER), default=first + 1)
    yield None if on < first else f"rings set up in line {first}, bus mastering on in line {on}"


# --- set-up (14.3 to 14.5) ---

@e1000("E1K-INIT-1", "E1K-INIT-2")
def interrupts_are_masked_around_the_reset(device):
    """By IMC with all ones, before any other write and again behind each reset."""
    writes = [access for access in device.accesses() if access.write]
    first = writes[0] if writes else None
    good = first and first.offset == IMC and first.value == 0xffffffff
    yield None if good else f"first write: {first}"
    for n, access in enumerate(writes):
        if access.offset == CTRL and access.value & RESET:
            behind = writes[n + 1] if n + 1 < len(writes) else None
            good = behind and behind.offset == IMC and behind.value == 0xffffffff
            yield None if good else f"line {access.line}: reset, and then {behind}"


@e1000("E1K-INIT-2")
def nothing_is_masked_by_a_zero(device):
    """A 0 written to IMS does nothing."""
    for access in written(device, IMS):
        yield None if access.value else f"line {access.line}: 0 written to IMS"


@e1000("E1K-INIT-1")
def interrupts_are_enabled_last(device):
    for access in starts(device):
        early = [write for write in access if write.offset == IMS]
        yield f"line {early[0].line}: interrupts on before reception" if early else None


@e1000("E1K-MAC-1", "E1K-MAC-3")
def address_is_written_low_half_first(device):
    """And then made valid."""
    for writes in starts(device):
        low, high = position(writes, RAL0), position(writes, RAH0, VALID)
        yield None if 0 <= low < high else f"line {writes[0].line}: RAL0 is write {low}, a valid RAH0 {high}"


@e1000("E1K-MAC-4")
def multicast_table_is_written_whole(device):
    """After a reset it holds anything."""
    for writes in starts(device):
        missing = set(MTA) - {write.offset for write in writes}
        yield f"line {writes[0].line}: {len(missing)} words not written" if missing else None


@e1000("E1K-EEPROM-1")
def eeprom_is_asked_for_words(device):
    """Each command starts the read of one word, and the answer is awaited."""
    accesses = device.accesses()
    for n, access in enumerate(accesses):
        if access.write and access.offset == EERD:
            behind = accesses[n + 1] if n + 1 < len(accesses) else None
            good = access.value & 0xff == 1 and access.value >> 8 < 64 and behind and behind.offset == EERD
            yield None if good else f"line {access.line}: {access.value:#x} written to EERD"


@e1000("E1K-RX-1", "E1K-RX-2", "E1K-TX-1")
def rings_are_ready_before_they_are_used(device):
    """Base, both halves, length, head and tail are written before the direction is turned on."""
    for writes in starts(device):
        for ring, control in ((RX_RING, RCTL), (TX_RING, TCTL)):
            on = position(writes, control, ENABLE)
            places = [position(writes, ring + part) for part in (0, HIGH, LENGTH, HEAD, TAIL)]
            yield None if min(places) >= 0 and on > max(places) else (
                f"line {writes[0].line}: ring at {ring:#x}: registers written at {places}, turned on at {on}")


@e1000("E1K-RX-1", "E1K-RX-2", "E1K-TX-1")
def rings_are_aligned(device):
    for access in written(device, RX_RING, TX_RING):
        good = access.value % 16 == 0 and access.value in RAM
        yield None if good else f"line {access.line}: ring at {access.value:#x}"
    for access in written(device, RX_RING + LENGTH, TX_RING + LENGTH):
        good = access.value and access.value % 128 == 0
        yield None if good else f"line {access.line}: ring of {access.value} bytes"


@e1000("E1K-MAC-6", "E1K-RX-10", "E1K-RX-11")
def reception_is_set_as_the_buffers_are(device):
    """Broadcasts are taken; the check sequence is stripped; frames and buffers are of the plain sizes."""
    for access in written(device, RCTL):
        if access.value & ENABLE:
            good = access.value & BROADCAST and access.value & STRIP and not access.value & (LONG | SIZES)
            yield None if good else f"line {access.line}: RCTL {access.value:#x}"


# --- running ---

@e1000("E1K-RX-3")
def heads_are_the_devices(device):
    """Written only while the direction is off, and never read."""
    on = {RX_RING: False, TX_RING: False}
    for access in device.accesses():
        if access.write and access.offset in (RCTL, TCTL):
            on[RX_RING if access.offset == RCTL else TX_RING] = bool(access.value & ENABLE)
        elif access.write and access.offset == CTRL and access.value & RESET:
            on = {RX_RING: False, TX_RING: False}
        for ring in on:
            if access.offset == ring + HEAD:
                good = access.write and not on[ring]
                yield None if good else f"line {access.line}: head of the ring at {ring:#x} accessed"


@e1000("E1K-RX-18", "E1K-TX-10")
def tails_stay_in_the_ring(device):
    entries = {RX_RING: 0, TX_RING: 0}
    for access in device.accesses():
        for ring in entries:
            if access.write and access.offset == ring + LENGTH:
                entries[ring] = access.value // DESCRIPTOR
            elif access.write and access.offset == ring + TAIL:
                good = access.value < entries[ring]
                yield None if good else f"line {access.line}: tail {access.value} of {entries[ring]} entries"


@e1000("E1K-IRQ-1", "E1K-IRQ-2", "E1K-PLIC-1")
def causes_are_read_once_per_interrupt(device):
    """The read clears them and drops the line, so before the completion at the PLIC."""
    for handling in device.handlings:
        reads = sum(access.offset == ICR and not access.write for access in handling.accesses)
        yield None if reads == 1 else f"line {handling.line}: {reads} reads of ICR"


@e1000("E1K-IRQ-6")
def reception_is_masked_from_its_interrupt_on(device):
    """Until it is polled: no second interrupt, and nothing unmasked anew, before the mask is closed."""
    mask, taken = 0, None
    for access in device.accesses():
        cause_read = access.offset == ICR and not access.write
        if taken and (cause_read or access.write and access.offset == IMS and access.value & RECEIVED):
            yield f"line {taken.line}: an interrupt of reception, and its mask still open in line {access.line}"
            taken = None
        if cause_read and access.value & mask & RECEIVED:
            taken = access
        elif access.write and access.offset == IMS:
            mask |= access.value
        elif access.write and (access.offset == IMC or access.offset == CTRL and access.value & RESET):
            mask &= ~access.value if access.offset == IMC else 0
            if taken and not mask & RECEIVED:
                yield None
                taken = None


@e1000("E1K-REG-1")
def registers_are_32_bits_wide(device):
    for access in device.accesses():
        good = access.size == 4 and access.offset % 4 == 0
        yield None if good else f"line {access.line}: {access.size} bytes at {access.offset:#x}"
