"""Lab 4: the cases that only the grader has: time, failure and conflict."""

import time

from cases import EHOSTUNREACH, OTHER_ETH, any_host, introduce, is_announcement, reply_from, request
from casebook import case
from session import GUEST, GUEST_MAC, PEER, Failure, arp_request_for, udp_to, wire

SECOND = 1_000_000_000


def times(s, condition, since=0):
    return [r.seconds for r in s.link.frames[since:] if r.direction == "from guest" and condition(r.frame)]


def until(s, seconds):
    """Rounds for so long, by the clock of the link."""
    while time.monotonic() - s.link.started < seconds:
        s.round()


@case(6, "a silent neighbour is asked three times, a second apart, then given up")
def silent(s):
    ip = any_host()[0]
    s.good("open 1 0 n")
    held, since = s.mbufs_held(), s.here()
    result, sends = 0, 0
    while result >= 0 and sends < 400:
        result = s.number(f"send 1 {wire.ip_text(ip)} 6000 9 x")
        sends += 1
    s.same("sendto() in the end (EHOSTUNREACH)", EHOSTUNREACH, result,
           cause="after three requests without an answer the address has failed")
    asked = times(s, arp_request_for(ip), since)
    s.same("requests", 3, len(asked), cause="one a second at most, three in all (RFC 1122, 2.3.2.1)")
    gaps = [b - a for a, b in zip(asked, asked[1:])]
    if min(gaps) < 0.8:
        raise Failure("the time between requests", "a second", f"{min(gaps):.2f} s", cause="a flood of requests")
    s.no_leak("the address had failed", held, cause="what waited for the address is not freed")


@case(5, "an entry that nobody uses is forgotten", patch={"arp_timeout": SECOND * 3 // 2})
def expiry(s):
    ip, mac = any_host()
    introduce(s, ip, mac)
    at = time.monotonic() - s.link.started
    until(s, at + 2.5)
    s.good("open 1 0 n")
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6000 9 x", 9)
    s.wait("an ARP request: the entry is too old", arp_request_for(ip), since,
           cause="entries that are not confirmed must go (RFC 1122, 2.3.2.1)")


@case(5, "an entry in use is asked for again, by unicast, and goes on serving", patch={"arp_timeout": SECOND * 3 // 2})
def refresh(s):
    ip, mac = any_host()
    introduce(s, ip, mac)
    s.good("open 1 0 n")
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6000 9 x", 9)
    frame = s.wait("a request to the neighbour", arp_request_for(ip), since, rounds=150)
    s.fields("the request", frame, {"eth.destination": mac}, since,
             causes={"eth.destination": "who is known is asked by unicast"})
    mark = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6001 9 x", 9)
    s.fields("a datagram meanwhile", s.wait("it", udp_to(6001), mark), {"eth.destination": mac})
    s.send(reply_from(ip, mac))
    s.arp_fence()


@case(4, "the address is announced, twice", hosts=False)
def announce(s):
    first = s.wait("an announcement", is_announcement, 0, rounds=100)
    s.fields("the announcement", first, {"arp.sender_mac": GUEST_MAC, "arp.sender_ip": GUEST, "arp.target_ip": GUEST,
                                         "eth.destination": wire.BROADCAST_MAC})
    for _ in range(200):
        if len(times(s, is_announcement)) >= 2:
            break
        s.round()
    s.same("announcements (RFC 5227, 2.3)", 2, len(times(s, is_announcement)))


@case(4, "a conflict is counted, and the address defended, but not again and again")
def conflict(s):
    for _ in range(200):
        if len(times(s, is_announcement)) >= 2:
            break
        s.round()
    before = s.counters("arp.conflicts")
    for _ in range(3):
        s.send(request(GUEST, OTHER_ETH, PEER), "another station uses our address")
        s.arp_fence()
    s.counted(before, "arp.conflicts", 3)
    s.same("announcements", 3, len(times(s, is_announcement)),
           cause="once in 10 s: two machines that both insist must not flood the net (RFC 5227, 2.4(c))")

