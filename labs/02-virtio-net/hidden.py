"""Lab 2: the cases that only the grader has."""

import driver_cases as driver
from cases import DEV
from casebook import case


@case(12, "the device is used as the specification says", record=True)
def rules(s):
    driver.sizes(s)
    driver.many(s, 100)
    driver.down_up(s, DEV)
    s.device_rules("net")


@case(6, "frames that come together are taken together")
def bursts(s):
    driver.bursts(s, DEV)


@case(6, "three harts send while frames come in", smp=3)
def both_ways(s):
    driver.both_ways(s, DEV)


@case(4, "the same over PCI", card="virtio-pci")
def pci(s):
    driver.sizes(s)
    driver.many(s, 400)
