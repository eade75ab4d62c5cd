"""Lab 3: the cases that only the grader has."""

import driver_cases as driver
from bench import unit
from cases import DEV
from casebook import case


judged = unit(6, "what is damaged, too long or without an end is dropped, whole, and counted", "judged", "long_frame",
              "long_frame_in_two_polls", "frame_without_end", "impossible_lengths", "damaged_frames", "no_mbuf",
              "fence_before_reading", program="test_e1000_rx")
races = unit(4, "loads and stores in the right order, and no interrupt missed", "races", "fence_before_reuse",
             "done_before_the_interrupt_is_on", "context_after_reset", program="test_e1000_tx")


@case(7, "the device is used as its manual says", card="e1000", record=True)
def rules(s):
    driver.sizes(s)
    driver.many(s, 100)
    short = [len(frame) for frame in s.link.from_guest() if len(frame) < 60]
    s.same("frames shorter than Ethernet allows", [], short[:3], cause="the driver pads to 60 bytes: this card does not")
    s.device_rules("e1000")


@case(2, "frames that come together are taken together", card="e1000")
def bursts(s):
    driver.bursts(s, DEV)


@case(3, "pairs of frames with small pauses between", card="e1000")
def pairs(s):
    driver.pairs(s, 300)


@case(2, "three harts send while frames come in", card="e1000", smp=3)
def both_ways(s):
    driver.both_ways(s, DEV)
