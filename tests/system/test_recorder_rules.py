"""The recorder's rules on logs made by hand: good ones pass, and each rule finds what is wrong in a bad one.

A log is a list of steps, here in a short form; text() turns it into the lines that QEMU writes, so the reader of logs
is tested as well. A bad log is a good one with one change.
"""

import pytest

from harness import recorder, rules, rules_e1000, rules_rings, rules_transport, rules_virtio

VDEV, QUEUES = "0x55aa", {0: "0x7f00", 1: "0x7f01"}
REGION = 0x40004000  # of the PCI devices
MMIO_SLOT, PCI_SLOT = 7, 1
RING = {0: 0x80100000, 1: 0x80200000}


# --- logs: ("w" or "r", register, value), ("w" or "r", (register, size), value), and others as in text() ---

def init(kind):
    """Up to FEATURES_OK; the disk offers to be read-only, the card an MTU."""
    offered, accepted = ((0x30010028, 0x20010028) if kind == "net" else (0x30000220, 0x20000220))
    return [("w", "status", 0), ("r", "status", 0), ("w", "status", 1), ("w", "status", 3),
            ("w", "device_features_sel", 0), ("r", "device_features", offered),
            ("w", "device_features_sel", 1), ("r", "device_features", 3),
            ("w", "driver_features_sel", 0), ("w", "driver_features", accepted),
            ("w", "driver_features_sel", 1), ("w", "driver_features", 3),
            ("w", "status", 0xb), ("r", "status", 0xb)]


def queue(number, most):
    base = RING[number]
    return [("w", "queue_sel", number), ("r", most, 256), ("r", "queue_ready", 0), ("w", "queue_size", 256),
            ("w", "desc_low", base), ("w", "desc_high", 0), ("w", "driver_low", base + 0x1000), ("w", "driver_high", 0),
            ("w", "device_low", base + 0x2000), ("w", "device_high", 0), ("w", "queue_ready", 1)]


def card(most="queue_max"):
    mac = [("r", ("config+%d" % n, 1), n) for n in range(6)]
    return (init("net") + [("r", "generation", 0)] + mac + [("r", "generation", 0), ("r", "generation", 0),
            ("r", ("config+10", 2), 1400), ("r", "generation", 0)] + queue(0, most) + queue(1, most)
            + [("w", "status", 0xf), ("w", "queue_notify", 0), ("w", "queue_notify", 1), ("pop", 1, 1, 0),
               ("fill", 1, 0), ("pop", 0, 0, 1), ("fill", 0, 72)])


NET = ([("r", "magic", 0x74726976), ("r", "version", 2), ("r", "device_id", 1)] + card()
       + [("claim", 8), ("r", "interrupt_status", 1), ("w", "interrupt_ack", 1), ("complete", 8)])
BLK = ([("r", "magic", 0x74726976), ("r", "version", 2), ("r", "device_id", 2)] + init("blk")
       + [("r", "generation", 0), ("r", ("config+0", 4), 100), ("r", ("config+4", 4), 0), ("r", "generation", 0)]
       + queue(0, "queue_max") + [("w", "status", 0xf), ("w", "queue_notify", 0), ("pop", 0, 1, 2),
                                  ("transfer", 92, 8), ("fill", 0, 4097)])
EMPTY = [("r", "magic", 0x74726976), ("r", "version", 2), ("r", "device_id", 0)]
LEGACY = [("r", "magic", 0x74726976), ("r", "version", 1), ("r", "device_id", 1)]
PCI_SET_UP = [("cw", 4, 0x400), ("cw", 0x20, 0xffffffff), ("cw", 0x20, 0xc), ("cw", 0x20, REGION), ("cw", 0x24, 0),
              ("cw", 4, 6)]
PCI = PCI_SET_UP + card("queue_size") + [("claim", 33), ("r", "isr", 1), ("complete", 33)]

IMC, CTRL, EERD, RCTL, TCTL, IMS, ICR = 0xd8, 0, 0x14, 0x100, 0x400, 0xd0, 0xc0
E1000_SET_UP = [("cw", 4, 0x400), ("cw", 0x10, 0xffffffff), ("cw", 0x10, 0), ("cw", 0x10, REGION & ~0x1ffff | 0x20000),
                ("cw", 4, 6)]
E1000 = (E1000_SET_UP + [("w", IMC, 0xffffffff), ("w", EERD, 0x101), ("r", EERD, 0x12340110),
                         ("w", CTRL, 1 << 26), ("w", IMC, 0xffffffff), ("w", 0x5400, 0x12005452),
                         ("w", 0x5404, 0x80005634)] + [("w", 0x5200 + 4 * n, 0) for n in range(128)]
         + [("w", ring + part, value) for ring, base in ((0x3800, 0x80300000), (0x2800, 0x80400000))
            for part, value in ((0, base), (4, 0), (8, 0x1000), (0x10, 0), (0x18, 0xff if ring == 0x2800 else 0))]
         + [("w", TCTL, 0x4010a), ("w", RCTL, 0x4008002), ("w", IMS, 0xd5), ("w", 0x3818, 1), ("claim", 33),
            ("r", ICR, 0x83), ("w", IMC, 0xd1), ("complete", 33), ("w", 0x2818, 0), ("w", IMS, 0xd1)])


def place(register, transport):
    """(address, size, region) of a register's access."""
    if transport == "e1000":
        return (REGION & ~0x1ffff | 0x20000) + register, 4, "e1000-mmio"
    table = recorder.MMIO_REGISTERS if transport == "mmio" else recorder.PCI_REGISTERS
    base = recorder.MMIO_BASE + MMIO_SLOT * recorder.MMIO_STRIDE if transport == "mmio" else REGION
    config = recorder.MMIO_CONFIG if transport == "mmio" else recorder.PCI_CONFIG
    if isinstance(register, int):
        offset, size = register, 4
    elif register.startswith("config"):
        offset, size = config + int(register[7:]), 1
    else:
        offset, size, _ = table[register]
    region = "isr" if register == "isr" else "device" if offset >= config else "common"
    return base + offset, size, "virtio-mmio" if transport == "mmio" else f"virtio-pci-{region}-virtio-net"


def text(log, transport):
    """The lines of QEMU's log."""
    for what, *step in log:
        if what in "wr":
            register, value = step
            register, other_size = register if isinstance(register, tuple) else (register, None)
            if register == "queue_notify" and transport == "pci":
                address, size, region = REGION + 0x3000 + 4 * value, 2, "virtio-pci-notify-virtio-net"
            else:
                address, size, region = place(register, transport)
            yield (f"memory_region_ops_{'write' if what == 'w' else 'read'} cpu 0 mr 0x1 addr {address:#x} "
                   f"value {value:#x} size {other_size or size} name '{region}'")
            if (what, register) == ("w", "status"):
                yield f"virtio_set_status vdev {VDEV} val {value}"
            if register == "queue_notify" and value in QUEUES:
                yield f"virtio_queue_notify vdev {VDEV} n {value} vq {QUEUES[value]}"
        elif what == "cw":
            yield f"pci_cfg_write card 00:{PCI_SLOT:02x}.0 @{step[0]:#x} <- {step[1]:#x}"
        elif what == "pop":
            yield f"virtqueue_pop vq {QUEUES[step[0]]} elem 0x1 in_num {step[2]} out_num {step[1]}"
        elif what == "fill":
            yield f"virtqueue_fill vq {QUEUES[step[0]]} elem 0x1 len {step[1]} idx 0"
        elif what == "transfer":
            yield f"virtio_blk_handle_read vdev {VDEV} req 0x1 sector {step[0]} nsectors {step[1]}"
        else:
            yield (f"memory_region_ops_{'read' if what == 'claim' else 'write'} cpu 0 mr 0x2 addr 0xc201004 "
                   f"value {step[0]:#x} size 4 name 'riscv.sifive.plic'")


def devices(log, transport):
    recording = recorder.Reader().read(text(log, transport))
    assert recording.errors == []
    return recording.devices


# --- changes ---

def index(log, step, count=0):
    return [n for n, each in enumerate(log) if each == step][count]


def change(log, old, new, count=0):
    place_of = index(log, old, count)
    return log[:place_of] + [new] + log[place_of + 1:]


def drop(log, step, count=0):
    place_of = index(log, step, count)
    return log[:place_of] + log[place_of + 1:]


def insert(log, before, *steps):
    place_of = index(log, before)
    return log[:place_of] + list(steps) + log[place_of:]


def choose(log, low=None, high=None):
    """The driver accepts other features."""
    for half, new in zip([step for step in log if step[:2] == ("w", "driver_features")], (low, high)):
        log = log if new is None else change(log, half, ("w", "driver_features", new))
    return log


OK = ("w", "status", 0xb)
LIVE = ("w", "status", 0xf)

# rule: [(transport, bad log)]
BAD_VIRTIO = {
    "status_goes_through_all_steps": [
        ("mmio", drop(NET, ("w", "status", 1))),
        ("mmio", drop(NET, ("w", "status", 0))),
        ("mmio", drop(NET, LIVE)),
        ("pci", change(PCI, OK, ("w", "status", 0xf))),
    ],
    "status_keeps_its_bits": [("mmio", change(NET, ("w", "status", 3), ("w", "status", 2)))],
    "reset_is_awaited": [
        ("mmio", drop(NET, ("r", "status", 0))),
        ("pci", change(PCI, ("r", "status", 0), ("r", "status", 0xf))),
    ],
    "whole_offer_is_read_first": [("mmio", drop(NET, ("r", "device_features", 3)))],
    "accepted_was_offered": [("mmio", choose(NET, 0x20010029))],
    "accepted_is_understood": [("mmio", choose(NET, 0x30010028))],
    "accepted_has_what_it_needs": [("mmio", choose(NET, 0x20050028)), ("pci", choose(PCI, 0x200100a8))],
    "version_1_is_accepted_if_offered": [("mmio", choose(NET, high=2))],
    "access_platform_is_accepted_if_offered": [("mmio", choose(NET, high=1))],
    "mac_is_accepted_if_offered": [("mmio", choose(NET, 0x20010008))],
    "mtu_is_accepted_if_offered": [("mmio", choose(NET, 0x20010020))],
    "read_only_is_accepted_if_offered": [("mmio", choose(BLK, 0x20000200))],
    "selector_comes_before_features": [
        ("mmio", drop(drop(NET, ("w", "device_features_sel", 0)), ("w", "device_features_sel", 1))),
        ("mmio", drop(drop(NET, ("w", "driver_features_sel", 0)), ("w", "driver_features_sel", 1))),
    ],
    "configuration_is_not_written": [("mmio", insert(NET, LIVE, ("w", "config+0", 1)))],
    "features_are_closed_by_features_ok": [("mmio", insert(NET, LIVE, ("w", "driver_features", 3)))],
    "features_ok_is_read_back": [("mmio", drop(NET, ("r", "status", 0xb)))],
    "queues_are_set_up_between_features_ok_and_driver_ok": [
        ("mmio", insert(NET, OK, ("w", "queue_size", 8))),
        ("mmio", insert(NET, ("w", "queue_notify", 0), ("w", "queue_ready", 1))),
    ],
    "no_doorbell_before_driver_ok": [
        ("mmio", insert(NET, LIVE, ("w", "queue_notify", 0))),
        ("pci", PCI + [("w", "status", 0), ("w", "queue_notify", 0)]),
    ],
    "fields_are_of_one_generation": [
        ("mmio", drop(NET, ("r", "generation", 0))),
        ("mmio", drop(BLK, ("r", "generation", 0), 1)),
        ("mmio", change(BLK, ("r", "generation", 0), ("r", "generation", 5), 1)),
    ],
    "optional_fields_are_left_alone": [
        ("mmio", insert(NET, LIVE, ("r", ("config+8", 2), 1))),
        ("mmio", insert(BLK, LIVE, ("r", ("config+32", 1), 1))),
    ],
    "fields_are_read_at_their_width": [
        ("mmio", change(NET, ("r", ("config+10", 2), 1400), ("r", ("config+10", 4), 1400))),
    ],
    "rings_are_aligned": [
        ("mmio", change(NET, ("w", "device_low", RING[0] + 0x2000), ("w", "device_low", RING[0] + 0x2002))),
        ("mmio", change(NET, ("w", "desc_low", RING[0]), ("w", "desc_low", RING[0] + 8))),
    ],
    "rings_are_in_ram": [
        ("mmio", change(NET, ("w", "desc_low", RING[0]), ("w", "desc_low", 0x1000))),
        ("mmio", change(NET, ("w", "desc_high", 0), ("w", "desc_high", 1))),
    ],
    "size_is_within_the_maximum": [("mmio", change(NET, ("w", "queue_size", 256), ("w", "queue_size", 512)))],
    "size_is_a_power_of_two": [("mmio", change(NET, ("w", "queue_size", 256), ("w", "queue_size", 100)))],
    "live_queue_is_left_alone": [("mmio", insert(NET, LIVE, ("w", "desc_low", RING[0])))],
    "queue_is_made_live_last": [
        ("mmio", drop(NET, ("w", "driver_high", 0))),
        ("mmio", drop(NET, ("r", "queue_ready", 0))),
        ("mmio", drop(NET, ("r", "queue_max", 256))),
        ("pci", change(PCI, ("r", "queue_ready", 0), ("r", "queue_ready", 1))),
    ],
    "queue_is_never_disabled": [("pci", PCI + [("w", "queue_ready", 0)])],
    "control_queue_needs_its_feature": [("mmio", change(NET, ("w", "queue_sel", 1), ("w", "queue_sel", 2)))],
    "doorbell_names_a_live_queue": [("mmio", change(NET, ("w", "queue_notify", 1), ("w", "queue_notify", 5)))],
    "doorbell_is_16_bits_wide": [("pci", change(PCI, ("w", "queue_notify", 1), ("w", ("queue_notify", 4), 1)))],
    "no_more_is_outstanding_than_the_ring_holds": [
        ("mmio", NET + [("pop", 0, 0, 1)] * 257),
        ("mmio", NET + [("pop", 0, 0, 300)]),
    ],
    "frames_take_one_descriptor": [
        ("mmio", change(NET, ("pop", 1, 1, 0), ("pop", 1, 2, 0))),
        ("mmio", change(NET, ("pop", 0, 0, 1), ("pop", 0, 1, 1))),
    ],
    "requests_have_header_data_and_status": [("mmio", change(BLK, ("pop", 0, 1, 2), ("pop", 0, 3, 0)))],
    "transfers_stay_within_the_capacity": [("mmio", change(BLK, ("transfer", 92, 8), ("transfer", 93, 8)))],
}
BAD_TRANSPORT = {
    "only_known_registers_are_touched": [
        ("mmio", NET + [("r", 0x28, 0)]),
        ("mmio", NET + [("w", "shared_memory_sel", 0)]),
    ],
    "read_only_registers_are_not_written": [
        ("mmio", NET + [("w", "queue_max", 1)]),
        ("pci", PCI + [("w", "generation", 1)]),
    ],
    "write_only_registers_are_not_read": [("mmio", NET + [("r", "queue_sel", 1)])],
    "registers_are_accessed_at_their_width": [
        ("mmio", change(NET, OK, ("w", ("status", 1), 0xb))),
        ("pci", PCI + [("r", ("status", 4), 0xf)]),
    ],
    "slot_is_identified_before_anything_else": [
        ("mmio", NET[1:]),
        ("mmio", EMPTY + [("r", "vendor_id", 0)]),
        ("mmio", [NET[0], NET[2], NET[1]] + NET[3:]),
    ],
    "device_of_another_version_is_left_alone": [("mmio", LEGACY + [("w", "status", 0)])],
    "only_command_and_regions_are_configured": [("pci", insert(PCI, ("cw", 4, 6), ("cw", 0x40, 1)))],
    "only_defined_interrupts_are_acknowledged": [
        ("mmio", change(NET, ("w", "interrupt_ack", 1), ("w", "interrupt_ack", 5))),
    ],
    "interrupt_is_asked_for_and_acknowledged": [
        ("mmio", drop(NET, ("w", "interrupt_ack", 1))),
        ("mmio", drop(NET, ("r", "interrupt_status", 1))),
        ("mmio", change(NET, ("w", "interrupt_ack", 1), ("w", "interrupt_ack", 3))),
    ],
    "isr_is_read_once_per_interrupt": [("pci", drop(PCI, ("r", "isr", 1))), ("pci", PCI + [("r", "isr", 0)] * 2)],
}
TAIL = ("w", 0x3818, 1)
BAD_E1000 = {
    "regions_are_sized_with_decoding_off": [drop(change(E1000, ("cw", 4, 0x400), ("cw", 4, 2)), ("cw", 0x10, 0))],
    "region_lies_in_the_window": [change(E1000, E1000_SET_UP[2], ("cw", 0x10, 0x80000000))],
    "bus_is_mastered_before_the_rings_are_set_up": [
        change(E1000, ("cw", 4, 6), ("cw", 4, 2)),
        drop(E1000, ("cw", 4, 6)) + [("cw", 4, 6)],
    ],
    "interrupts_are_masked_around_the_reset": [
        drop(E1000, ("w", IMC, 0xffffffff)),
        drop(E1000, ("w", IMC, 0xffffffff), 1),
        change(E1000, ("w", IMC, 0xffffffff), ("w", IMC, 1)),
    ],
    "nothing_is_masked_by_a_zero": [E1000 + [("w", IMS, 0)]],
    "interrupts_are_enabled_last": [insert(E1000, ("w", TCTL, 0x4010a), ("w", IMS, 4))],
    "address_is_written_low_half_first": [
        drop(E1000, ("w", 0x5400, 0x12005452)),
        change(E1000, ("w", 0x5404, 0x80005634), ("w", 0x5404, 0x5634)),
    ],
    "multicast_table_is_written_whole": [drop(E1000, ("w", 0x5300, 0))],
    "eeprom_is_asked_for_words": [
        drop(E1000, ("r", EERD, 0x12340110)),
        change(E1000, ("w", EERD, 0x101), ("w", EERD, 0x100)),
    ],
    "rings_are_ready_before_they_are_used": [
        drop(E1000, ("w", 0x2804, 0)),
        insert(drop(E1000, ("w", TCTL, 0x4010a)), ("w", 0x3808, 0x1000), ("w", TCTL, 0x4010a)),
    ],
    "rings_are_aligned": [
        change(E1000, ("w", 0x2800, 0x80400000), ("w", 0x2800, 0x80400008)),
        change(E1000, ("w", 0x3808, 0x1000), ("w", 0x3808, 0x1010)),
    ],
    "reception_is_set_as_the_buffers_are": [
        change(E1000, ("w", RCTL, 0x4008002), ("w", RCTL, value))
        for value in (0x4000002, 0x8002, 0x4008022, 0x4018002)
    ],
    "heads_are_the_devices": [E1000 + [("w", 0x2810, 0)], E1000 + [("r", 0x3810, 0)]],
    "tails_stay_in_the_ring": [change(E1000, TAIL, ("w", 0x3818, 256))],
    "causes_are_read_once_per_interrupt": [
        drop(E1000, ("r", ICR, 0x83)),
        insert(E1000, ("r", ICR, 0x83), ("r", ICR, 1)),
    ],
    "reception_is_masked_from_its_interrupt_on": [
        drop(E1000, ("w", IMC, 0xd1)), change(E1000, ("w", IMC, 0xd1), ("w", IMC, 1)),
        change(E1000, ("w", IMC, 0xd1), ("r", ICR, 0x80)),
    ],
    "registers_are_32_bits_wide": [E1000 + [("r", (8, 2), 3)]],
}
LOOK = {"size": 8, "events": True, "available": 5, "flags": 0, "used": 65534, "chain": [(RING[0], 2060, True)]}
BAD_RINGS = {
    "available_index_goes_forward_by_what_fits": {"available": 7}, "flags_are_0_or_1": {"events": False, "flags": 2},
    "flags_are_0_with_event_index": {"flags": 1}, "buffers_are_in_memory": {"chain": [(0x1000, 2060, True)]},
    "receive_buffers_take_a_whole_frame": {"chain": [(RING[0], 1525, True)]},
}


def ring(**changes):
    history = rules_rings.Ring("net path queue 0", "net", 0)
    history.looks.append({**LOOK, **changes})
    return [history]


GOOD = {"card": ("mmio", NET), "disk": ("mmio", BLK), "empty slot": ("mmio", EMPTY), "legacy": ("mmio", LEGACY),
        "card on PCI": ("pci", PCI), "e1000": ("e1000", E1000)}


@pytest.mark.parametrize("name", GOOD)
def test_good_log(name):
    transport, log = GOOD[name]
    for rule in [*rules_virtio.rules.values(), *rules_transport.rules.values(), *rules_e1000.rules.values()]:
        assert rules.check(rule, devices(log, transport))[1] == []


def test_good_rings():
    for rule in rules_rings.rules.values():
        assert rules.check(rule, ring() + ring(events=False, flags=1))[1] == []


@pytest.mark.parametrize("name", rules_virtio.rules)
def test_bad_virtio(name):
    for transport, log in BAD_VIRTIO[name]:
        assert rules.check(rules_virtio.rules[name], devices(log, transport))[1], log


@pytest.mark.parametrize("name", rules_transport.rules)
def test_bad_transport(name):
    for transport, log in BAD_TRANSPORT[name]:
        assert rules.check(rules_transport.rules[name], devices(log, transport))[1], log


@pytest.mark.parametrize("name", rules_e1000.rules)
def test_bad_e1000(name):
    for log in BAD_E1000[name]:
        assert rules.check(rules_e1000.rules[name], devices(log, "e1000"))[1], log


@pytest.mark.parametrize("name", rules_rings.rules)
def test_bad_rings(name):
    assert rules.check(rules_rings.rules[name], ring(**BAD_RINGS[name]))[1]


def test_rule_without_a_case_counts_none():
    """Nothing to look at is not the same as all being well."""
    cases, faults = rules.check(rules_virtio.rules["no_doorbell_before_driver_ok"], devices(EMPTY, "mmio"))
    assert (cases, faults) == (0, [])


def test_what_qemu_complains_about_is_kept():
    recording = recorder.Reader().read([*text(NET, "mmio"), "virtio_mmio_write: bad register offset 0x44"])
    assert recording.errors == ["virtio_mmio_write: bad register offset 0x44"]


def test_values_are_cut_to_their_size():
    """QEMU logs all 64 bits of what the device's handler returned."""
    log = change(NET, ("r", "device_features", 0x30010028), ("r", "device_features", 0x10130010028))
    (device,) = devices(log, "mmio")
    assert device.accesses("device_features")[0].value == 0x30010028
