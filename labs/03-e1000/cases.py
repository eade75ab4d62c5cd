"""Lab 3, the e1000 driver: the cases that students have too (8254x manual, chapters 3, 13 and 14)."""

import driver_cases as driver
from bench import unit
from casebook import case
from session import ROUNDS

TITLE = "Lab 3: the e1000 driver"
FILES = ["kernel/dev/e1000_rx.c", "kernel/dev/e1000_tx.c", "kernel/dev/e1000_hw.c", "kernel/dev/e1000.c"]
DEV = "e1000-0"


@case(0, "boots, and the console works", card="e1000", hosts=False)
def boot(s):
    s.rounds(3)


@case(16, "frames of every size go both ways", card="e1000")
def sizes(s):
    driver.sizes(s)


@case(14, "more frames than the rings have descriptors", card="e1000")
def many(s):
    driver.many(s)


@case(12, "the receive ring stays full, and nothing leaks", card="e1000")
def ring(s):
    driver.ring_counts(s, DEV, driver.many)


@case(12, "700 datagrams go out, in order", card="e1000")
def sending(s):
    driver.ring_counts(s, DEV, driver.sent_burst)


full_ring = unit(8, "a full ring: what waits is sent when there is room, in order", "full_ring", "delayed_completion",
                 "full_ring", "reclaim_by_sender", "queue_is_bounded", "laps", program="test_e1000_tx")


@case(4, "660 datagrams while the wire stands still: all come, in order", card="e1000")
def standstill(s):
    """QEMU's card has sent a frame before the write of the tail returns, so its ring is never full: hence the above."""
    driver.full_ring(s, DEV)


@case(10, "the interface goes down and up", card="e1000")
def down_up(s):
    driver.down_up(s, DEV, 2, settle=lambda s: s.rounds(2 * ROUNDS))
