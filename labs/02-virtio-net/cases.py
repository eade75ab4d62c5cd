"""Lab 2, the virtio network driver: the cases that students have too (virtio 1.2, 3.1, 5.1)."""

import driver_cases as driver
from bench import unit
from casebook import case

TITLE = "Lab 2: the virtio network driver"
FILES = ["kernel/dev/virtio_net.c", "kernel/dev/virtio_net_data.c", "kernel/virtio/virtio.c"]
DEV = "virtio0"


@case(0, "boots, and the console works", hosts=False)
def boot(s):
    s.rounds(3)


@case(12, "frames of every size go both ways")
def sizes(s):
    driver.sizes(s)


@case(8, "a frame has the length that the device wrote")
def length(s):
    driver.received_bytes(s, DEV)


@case(10, "more frames than the rings have entries")
def many(s):
    driver.many(s)


@case(8, "the receive ring stays full, and nothing leaks")
def ring(s):
    driver.ring_counts(s, DEV, lambda s: driver.many(s, 600))


@case(8, "700 datagrams go out, in order")
def sending(s):
    driver.ring_counts(s, DEV, driver.sent_burst)


@case(10, "a full ring: what waits is sent when there is room, in order")
def full(s):
    driver.full_ring(s, DEV)


@case(8, "the interface goes down and up")
def down_up(s):
    driver.down_up(s, DEV)


model = unit(8, "a device that takes its time, on the host: headers, a full ring, room in the last moment", "model",
             "frame_and_header_on_the_way_out", "full_ring_restarts", "full_ring_is_reclaimed_by_the_sender",
             "burst_longer_than_the_ring", "room_while_the_transmit_interrupt_is_turned_on",
             "without_mbufs_frames_are_dropped_and_the_ring_stays_full", "impossible_lengths", program="test_virtio_net")
