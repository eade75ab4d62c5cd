"""Lab 7, NAPI and polling: the cases that students have too. The driver is given; what is graded is the device layer's
way from interrupt to poll and back (net/netdev.h)."""

import time

import driver_cases as driver
from casebook import case

TITLE = "Lab 7: NAPI and polling"
FILES = ["kernel/net/netdev.c"]
DEV = "virtio0"
POLLS = "each call of ops->poll counts in counters.polls"
LOOKS = "in polled mode the thread looks every NETDEV_POLL_INTERVAL"


def counts(s, *names):
    values = s.counters(*[f"{DEV}.{name}" for name in names])
    return {name: values[f"{DEV}.{name}"] for name in names}


@case(0, "boots, and the console works", hosts=False)
def boot(s):
    s.rounds(3)


@case(14, "an interrupt brings a poll, again and again")
def interrupts(s):
    before = counts(s, "interrupts", "polls")
    for _ in range(30):
        s.ping(cause="the interrupt is not turned on again after a poll, or its wake-up is lost")
        s.round()
    after = counts(s, "interrupts", "polls")
    s.at_least("interrupts for 30 lone frames", 25, after["interrupts"] - before["interrupts"],
               cause="in interrupt mode nothing but the interrupt starts a poll")
    s.at_least("polls for 30 lone frames", 25, after["polls"] - before["polls"], cause=POLLS)


@case(12, "a device that has nothing to say is left alone")
def idle(s):
    """In interrupt mode an idle device is not polled at all; what little there is comes from the reports."""
    before = counts(s, "polls")["polls"]
    s.rounds(40)
    s.at_most("polls in 40 idle rounds", 20, counts(s, "polls")["polls"] - before,
              cause="the poll thread does not sleep until it is woken")


@case(14, "1200 frames, in windows, are all answered in order")
def many(s):
    driver.many(s, early="a frame that came between the last look at the device and irq_on() is forgotten")


@case(10, "frames that come together are taken together")
def bursts(s):
    driver.bursts(s, DEV)


@case(14, "polled mode: no interrupts, and frames are found all the same")
def polled(s):
    for _ in range(3):
        s.good(f"set {DEV} polled")
        s.ping(cause=LOOKS)
        s.rounds(3)
        started = time.monotonic()
        before = counts(s, "interrupts", "polls")
        for _ in range(25):
            s.ping(cause=LOOKS)
        s.rounds(10)
        after = counts(s, "interrupts", "polls")
        most = 100 + int((time.monotonic() - started) * 44_000)  # 40,000 a second, at most, by the guest's clock
        s.at_most("interrupts in polled mode", 3, after["interrupts"] - before["interrupts"],
                  cause="in polled mode the interrupt stays off")
        s.at_least("looks at the device", 41, after["polls"] - before["polls"], cause=POLLS)
        s.at_most("looks at the device", most, after["polls"] - before["polls"], cause=LOOKS + ", and sleeps meanwhile")
        s.good(f"set {DEV} interrupt")
        s.ping(cause="back in interrupt mode the interrupt must be turned on")
        s.round()
        before = counts(s, "polls")["polls"]
        s.rounds(20)
        s.at_most("polls in 20 idle rounds of interrupt mode", 20, counts(s, "polls")["polls"] - before,
                  cause="the thread goes on polling")
    late = 0
    for _ in range(10):
        before = counts(s, "interrupts")["interrupts"]
        s.good(f"set {DEV} polled")
        s.ping(cause=LOOKS)
        late += counts(s, "interrupts")["interrupts"] - before
        s.good(f"set {DEV} interrupt")
        s.ping(cause="back in interrupt mode the interrupt must be turned on")
        s.rounds(2)
    s.at_most("interrupts for the first frame after each of 10 switches to polled mode", 4, late,
              cause="the interrupt is off when netdev_set_polled() returns")


@case(10, "the interface goes down and up")
def down_up(s):
    driver.down_up(s, DEV)


@case(10, "a full ring: what waits is sent when there is room, in order",
      patch={"netdev_tx_look_interval": 3600 * 10**9})
def full(s):
    """The given code has a sender that waited for long look after its device: here it never does, so that only a
    wake-up helps."""
    before = counts(s, "tx_deferred", "tx_ring_full")
    driver.full_ring(s, DEV)
    after = counts(s, "tx_deferred", "tx_ring_full")
    s.at_least("the counter tx_deferred goes up by", 1, after["tx_deferred"] - before["tx_deferred"],
               cause="each frame that had to wait counts")
    s.grown(before, after, "tx_ring_full", 0, "only what is dropped counts there")
