"""Lab 1: the cases that only the grader has."""

import driver_cases as driver
from bench import unit
from cases import many_chains
from casebook import case

reclaim = unit(6, "what never came back is reclaimed after a reset", "reclaim", "reclaim_of_a_full_ring",
               "start_again_after_reset_begins_at_zero")
scribbled = unit(6, "links and lengths are kept where the device cannot reach them", "scribbled",
                 "scribbled_rings_do_not_matter", "id_in_the_middle_of_a_chain", "entries_before_a_bad_one_are_delivered",
                 "broken_queue_shows_nothing_more", "length_of_a_chain_with_nothing_writable",
                 "completion_on_an_empty_queue")


@case(6, "a full transmit ring, and all of it sent")
def sending(s):
    many_chains(s)
    driver.full_ring(s, "virtio0")


@case(6, "three harts send while frames come in", smp=3)
def both_ways(s):
    many_chains(s)
    driver.both_ways(s, "virtio0")
