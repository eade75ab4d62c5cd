"""Lab 7: the cases that only the grader has."""

import driver_cases as driver
from cases import DEV
from casebook import case


@case(6, "a frame that comes just before the thread sleeps is not forgotten")
def pairs(s):
    driver.pairs(s)


@case(2, "from its interrupt until it is polled a device is masked", card="e1000", record=True)
def masked(s):
    """Seen at the e1000, whose mask is a register: virtio's event index hides a driver that forgets it."""
    for _ in range(10):
        s.ping()
        s.round()
    driver.many(s, 240)
    s.device_rules("e1000")


@case(4, "the same on two harts", smp=2)
def pairs_two_harts(s):
    driver.pairs(s, 400)


@case(4, "three harts send while frames come in", smp=3)
def both_ways(s):
    driver.both_ways(s, DEV)
