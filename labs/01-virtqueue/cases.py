"""Lab 1, the virtqueue: the cases that students have too (virtio 1.2, 2.7). Most run on the host: the grader's unit
tests with the submission's virtq.c, against a model of the device, each test in a process of its own. The others boot
the kernel, whose disk and network both use the queue."""

import secrets

import driver_cases as driver
from bench import unit
from casebook import case
from session import digest, pattern

TITLE = "Lab 1: the virtqueue"
FILES = ["kernel/virtio/virtq.c"]


def many_chains(s):
    """A queue of one chain would do for slow traffic; what counts is that it holds as many as the device takes."""
    s.at_least("receive buffers that the network device has at a time", 64,
               s.counters("mbuf.rx_ring")["mbuf.rx_ring"], cause="a queue holds many chains at a time, not one")


@case(0, "boots, and the console works", hosts=False)
def boot(s):
    s.rounds(3)


chains = unit(10, "chains reach the device as described, and come back in any order", "chains",
              "chain_reaches_the_device_as_described", "nothing_is_visible_before_the_kick",
              "chains_come_back_in_any_order")
full = unit(8, "a full ring refuses, and loses nothing", "full", "full_ring_refuses_and_keeps_its_state")
wrap = unit(10, "indices wrap at 65536", "wrap", "indices_wrap", "indices_wrap_with_event_index")
doorbells = unit(10, "the doorbell is rung when the device wants it, and only then", "doorbells",
                 "doorbell_follows_used_flags", "doorbell_follows_avail_event",
                 "doorbell_wanted_in_the_last_moment")
interrupts = unit(8, "interrupts are asked for at the right entry, and none is missed", "interrupts",
                  "interrupts_by_flags", "interrupts_by_event_index", "event_is_the_next_entry_to_take",
                  "completion_while_enabling_is_reported")
broken = unit(12, "what the device writes is not trusted", "broken", "id_out_of_range", "id_that_is_not_outstanding",
              "double_completion", "length_beyond_what_was_writable", "invented_completions")


@case(8, "several disk requests and frames are under way at the same time", smp=2)
def disk(s):
    driver.sizes(s)
    for n in range(6):
        size, seed = 3000 + 4096 * n, secrets.token_hex(4)
        s.good(f"write /file{n} {size} {seed}", size)
        words = s.ask(f"cat /file{n}")
        s.same("the file's size and digest", [str(size), digest(pattern(seed.encode(), size))], words)
    many_chains(s)


@case(10, "more frames than the ring has entries")
def many(s):
    driver.many(s)
    many_chains(s)
