"""The rules of virtio 1.2 for the two transports, that can be seen from outside: which registers are accessed and how
(4.2.2, 4.1.4.3), how devices are found, and how interrupts are acknowledged.
"""

from .recorder import MMIO_REGISTERS, PCI_REGISTERS
from .rules import Rules

INTERRUPT_BITS = 3
DRIVEN, ANY = ("net", "blk"), ("net", "blk", None)  # kinds of device: with a driver, and empty slots too

rules = Rules()


# --- registers (4.2.2, 4.1.4.3) ---

def table(device):
    return MMIO_REGISTERS if device.transport == "mmio" else PCI_REGISTERS


def named(device):
    """Accesses to registers, without doorbells of PCI and configuration fields."""
    return [access for access in device.accesses() if access.register in table(device)]


@rules("MMIO-1", "MMIO-28", kind=ANY)
def only_known_registers_are_touched(device):
    for access in device.accesses():
        bad = access.register.startswith("?") or access.register == "shared_memory_sel"
        yield f"line {access.line}: access at offset {access.offset:#x}" if bad else None


@rules("MMIO-2", "PCI-15", kind=ANY)
def read_only_registers_are_not_written(device):
    for access in named(device):
        if table(device)[access.register][2] == "r":
            yield f"line {access.line}: {access.register} written" if access.write else None


@rules("MMIO-3", kind=ANY, transport="mmio")
def write_only_registers_are_not_read(device):
    for access in named(device):
        if MMIO_REGISTERS[access.register][2] == "w":
            yield None if access.write else f"line {access.line}: {access.register} read"


@rules("MMIO-4", "PCI-5", kind=ANY)
def registers_are_accessed_at_their_width(device):
    for access in named(device):
        width = table(device)[access.register][1]
        yield None if access.size == width else (
            f"line {access.line}: {access.register} accessed with {access.size} bytes, expected {width}")


@rules("MMIO-24", "MMIO-25", "MMIO-10", "MMIO-26", "MMIO-27", kind=ANY, transport="mmio")
def slot_is_identified_before_anything_else(device):
    """Magic, version, device id; where that is 0, nothing more."""
    accesses = device.accesses()
    first = [access.register for access in accesses[:3]]
    yield None if first == ["magic", "version", "device_id"] and not any(access.write for access in accesses[:3]) \
        else f"first accesses: {first}"
    if len(accesses) >= 3 and accesses[2].value == 0:
        yield None if len(accesses) == 3 else f"line {accesses[3].line}: {accesses[3].register} of an empty slot"


@rules("MMIO-8", kind=ANY, transport="mmio")
def device_of_another_version_is_left_alone(device):
    accesses = device.accesses()
    if len(accesses) > 1 and accesses[1].register == "version" and accesses[1].value != 2:
        yield None if len(accesses) <= 3 else f"line {accesses[3].line}: {accesses[3].register} accessed"


@rules("PCI-14", kind=DRIVEN, transport="pci")
def only_command_and_regions_are_configured(device):
    for access in device.config:
        if access.write:
            good = access.offset == 4 or 0x10 <= access.offset < 0x28
            yield None if good else f"line {access.line}: write to configuration space at {access.offset:#x}"


# --- interrupts (4.2.3.4, 4.1.4.5) ---

@rules("MMIO-20", kind=DRIVEN, transport="mmio")
def only_defined_interrupts_are_acknowledged(device):
    for access in device.accesses("interrupt_ack"):
        good = access.value and not access.value & ~INTERRUPT_BITS
        yield None if good else f"line {access.line}: {access.value:#x} acknowledged"


@rules("MMIO-19", "MMIO-30", "MMIO-32", kind=DRIVEN, transport="mmio")
def interrupt_is_asked_for_and_acknowledged(device):
    """In each handling: the status is read, and what it showed is acknowledged, no more and no less."""
    for handling in device.handlings:
        steps = [(access.register, access.write) for access in handling.accesses
                 if access.register.startswith("interrupt_")]
        shown = next((access.value for access in handling.accesses if access.register == "interrupt_status"), None)
        acknowledged = [access.value for access in handling.accesses if access.register == "interrupt_ack"]
        expected = [("interrupt_status", False)] + [("interrupt_ack", True)] * bool(shown)
        good = steps == expected and acknowledged == [shown & INTERRUPT_BITS] * bool(shown)
        yield None if good else f"line {handling.line}: {steps}, shown {shown}, acknowledged {acknowledged}"


@rules("P-20", "PCI-30", kind=DRIVEN, transport="pci")
def isr_is_read_once_per_interrupt(device):
    for handling in device.handlings:
        reads = sum(access.register == "isr" for access in handling.accesses)
        yield None if reads == 1 else f"line {handling.line}: {reads} reads of the ISR"
    inside = sum(access.register == "isr" for handling in device.handlings for access in handling.accesses)
    outside = len(device.accesses("isr")) - inside
    if outside > 1:  # one handling may be under way when the recording ends
        yield f"{outside} reads of the ISR outside of interrupts"
