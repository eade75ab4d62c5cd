"""Lab 3: the cases that only the grader has."""

import driver_cases as driver
from cases import DEV
from casebook import case


@case(10, "the device is used as its manual says", card="e1000", record=True)
def rules(s):
    driver.sizes(s)
    driver.many(s, 100)
    short = [len(frame) for frame in s.link.from_guest() if len(frame) < 60]
    s.same("frames shorter than Ethernet allows", [], short[:3], cause="the driver pads to 60 bytes: this card does not")
    s.device_rules("e1000")


@case(5, "frames that come together are taken together", card="e1000")
def bursts(s):
    driver.bursts(s, DEV)


@case(5, "pairs of frames with small pauses between", card="e1000")
def pairs(s):
    driver.pairs(s, 300)


@case(4, "three harts send while frames come in", card="e1000", smp=3)
def both_ways(s):
    driver.both_ways(s, DEV)
