"""The fences of the virtqueue, in the code that the compiler made of it (rows SQ-26, SQ-27, P-5 and P-7, RF-8).

QEMU shows little of what a missing fence does, and the host's compiler leaves them out, so this reads the kernel's
disassembly: which loads and stores stand before and behind which fence.
"""

import re
import subprocess

from harness.evidence import BUILD

PREFIXES = ("riscv64-unknown-elf-", "riscv64-linux-gnu-")
FULL = ("fence", "fence iorw,iorw")  # objdump writes the full one without its classes


def disassemble(function):
    """[instruction], spaces for tabs."""
    for prefix in PREFIXES:
        try:
            text = subprocess.run([prefix + "objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}",
                                   str(BUILD / "kernel.elf")], capture_output=True, text=True, check=True).stdout
            break
        except FileNotFoundError:
            continue
    instructions = re.findall(r"^\s+[0-9a-f]+:\s+(.*\S)", text, re.M)
    assert instructions, f"{function} is not in the kernel as a function of its own"
    return [re.sub(r"\s+", " ", instruction) for instruction in instructions]


def first(instructions, pattern, start=0):
    """The index of the first one that matches, from `start` on."""
    for n in range(start, len(instructions)):
        if re.match(pattern, instructions[n]):
            return n
    raise AssertionError(f"expected {pattern!r} behind instruction {start} of:\n" + "\n".join(instructions))


def publication(code):
    """virtq_kick: the fence, then the store of the available index, the first halfword that is stored."""
    fence = first(code, r"fence iorw,ow$")
    store = first(code, r"sh ")
    assert fence < store, f"the index is stored before the fence:\n" + "\n".join(code)
    return store


def handshake(code, store):
    """Behind that store a full fence, and only then the first halfword, flags or avail_event, is loaded."""
    fence = first(code, "|".join(map(re.escape, FULL)) + "$", store)
    load = first(code, r"lhu ", store)
    assert fence < load, f"the device's answer is loaded before the fence:\n" + "\n".join(code)


def consumption(code):
    """used_look: the device's index is loaded, then the fence, then stored how far the ring may be read."""
    load = first(code, r"lhu ")
    fence = first(code, r"fence ir,iorw$", load)
    store = first(code, r"sh ", fence)
    late = [instruction for instruction in code[fence:store] if instruction.startswith("lhu ")]
    assert not late, "the index is loaded behind the fence:\n" + "\n".join(code)


def test_publication():
    publication(disassemble("virtq_kick"))


def test_handshake():
    code = disassemble("virtq_kick")
    handshake(code, publication(code))


def test_interrupts_are_enabled_before_the_last_look():
    """virtq_irq_enable: the store of flags or used_event, a full fence, the load of the used index."""
    code = disassemble("virtq_irq_enable")
    store = first(code, r"sh ")
    handshake(code, store)


def test_consumption():
    consumption(disassemble("used_look"))


def test_doorbell():
    """The index of the available ring, and all before it, is stored before the doorbell's register."""
    for function, store in (("mmio_notify", r"sw "), ("pci_notify", r"sh ")):
        code = disassemble(function)
        assert first(code, r"fence w,o$") < first(code, store), "\n".join(code)


def test_acknowledgement():
    """mmio_interrupt: behind the store of the acknowledgement a full fence, and only then a look at the rings."""
    code = disassemble("mmio_interrupt")
    fence = first(code, "|".join(map(re.escape, FULL)) + "$", first(code, r"sw "))
    assert fence < first(code, r"(j|jr|jal|jalr|call|tail) ", fence)


def test_classes():
    """RF-8: every fence of the ring orders device accesses too, so it is enough for a device that is real hardware."""
    functions = ("virtq_kick", "virtq_irq_enable", "used_look", "virtio_reset")
    fences = [instruction for function in functions for instruction in disassemble(function)
              if instruction.startswith("fence")]
    assert len(fences) >= 5
    for fence in fences:
        if fence in FULL:
            continue
        before, behind = fence.removeprefix("fence ").split(",")
        assert set(before) & set("io") and set(behind) & set("io"), fence


LOOK = ["lhu a5,104(a0)", "lhu a4,2(a4)", "fence ir,iorw", "sh a4,106(s0)", "lhu a5,104(s0)", "sh a5,106(s0)"]
KICK = ["lhu s1,84(a0)", "fence iorw,ow", "sh s1,2(a5)", "fence", "lhu a3,0(a3)"]


def test_missing_fences_are_noticed():
    """The checks themselves, on code with one fence less or in the wrong place."""
    def kick(code):
        handshake(code, publication(code))

    for judge, right, wrongs in (
            (kick, KICK, ((0, 2, 3, 4), (0, 2, 1, 3, 4), (0, 1, 2, 4), (0, 1, 2, 4, 3))),
            (consumption, LOOK, ((0, 1, 3, 4, 5), (2, 0, 1, 3, 4, 5), (0, 2, 1, 3, 4, 5), (0, 1, 3, 4, 5, 2)))):
        judge(right)
        for order in wrongs:
            wrong = [right[n] for n in order]
            try:
                judge(wrong)
            except AssertionError:
                continue
            raise AssertionError(f"not noticed: {wrong}")
