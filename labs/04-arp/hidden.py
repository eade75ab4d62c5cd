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


def send_until_refused(s, ip):
    result, sends = 0, 0
    while result >= 0 and sends < 400:
        result = s.number(f"send 1 {wire.ip_text(ip)} 6000 9 x")
        sends += 1
    s.same("sendto() in the end (EHOSTUNREACH)", EHOSTUNREACH, result,
           cause="after three requests without an answer the address has failed")


@case(5, "a silent neighbour is asked three times, a second apart, then given up")
def silent(s):
    ip, mac = any_host()
    s.good("open 1 0 n")
    reasons = ("arp.failed", "arp.wait_failed", "arp.unreachable")
    held, before, since = s.mbufs_held(), s.counters(*reasons), s.here()
    send_until_refused(s, ip)
    asked = times(s, arp_request_for(ip), since)
    s.same("requests", 3, len(asked), cause="one a second at most, three in all (RFC 1122, 2.3.2.1)")
    gaps = [b - a for a, b in zip(asked, asked[1:])]
    if min(gaps) < 0.8:
        raise Failure("the time between requests", "a second", f"{min(gaps):.2f} s", cause="a flood of requests")
    for reason in reasons:
        s.counted(before, reason, cause="the failure, the datagram that waited for it, and the one refused after it")
    s.no_leak("the address had failed", held, cause="what waited for the address is not freed")
    introduce(s, ip, mac)
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6001 9 x", 9, cause="a neighbour that says something is back, failed or not")
    s.fields("the datagram", s.wait("a datagram", udp_to(6001), since), {"eth.destination": mac}, since)


@case(4, "an entry that nobody uses is forgotten", patch={"arp_timeout": SECOND * 3 // 2})
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


@case(3, "an entry in use is asked for again, by unicast, and goes on serving", patch={"arp_timeout": SECOND * 3 // 2})
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


@case(3, "the address is announced, twice", hosts=False)
def announce(s):
    first = s.wait("an announcement", is_announcement, 0, rounds=100)
    s.fields("the announcement", first, {"arp.sender_mac": GUEST_MAC, "arp.sender_ip": GUEST, "arp.target_ip": GUEST,
                                         "eth.destination": wire.BROADCAST_MAC})
    for _ in range(200):
        if len(times(s, is_announcement)) >= 2:
            break
        s.round()
    s.same("announcements (RFC 5227, 2.3)", 2, len(times(s, is_announcement)))


@case(3, "a conflict is counted, and the address defended, but not again and again")
def conflict(s):
    for _ in range(200):
        if len(times(s, is_announcement)) >= 2:
            break
        s.round()
    before, held = s.counters("arp.conflicts", "arp.resolved"), s.mbufs_held()
    for target, operation in ((PEER, wire.ARP_REQUEST), (GUEST, wire.ARP_REQUEST), (GUEST, wire.ARP_REPLY)):
        s.silence("another station uses our address", request(GUEST, OTHER_ETH, target, operation), fence=s.arp_fence,
                  cause="who claims our address is told by an announcement alone")
    s.counted(before, "arp.conflicts", 3)
    s.counted(before, "arp.resolved", 3, cause="the closing requests' senders are learnt, from a conflict is nothing")
    s.no_leak("the conflicts", held)
    s.same("announcements", 3, len(times(s, is_announcement)),
           cause="once in 10 s: two machines that both insist must not flood the net (RFC 5227, 2.4(c))")


@case(2, "what we sent ourselves and comes back is ignored")
def own(s):
    before, held = s.counters("arp.conflicts", "arp.resolved"), s.mbufs_held()
    for target, operation in ((PEER, wire.ARP_REQUEST), (GUEST, wire.ARP_REQUEST), (PEER, wire.ARP_REPLY)):
        s.silence("our own packet comes back", request(GUEST, GUEST_MAC, target, operation), fence=s.arp_fence,
                  cause="a switch may return what we sent: that is neither a question nor a conflict")
    s.counted(before, "arp.conflicts", 0, cause="the station that uses our address is ourselves")
    s.counted(before, "arp.resolved", 3, cause="the closing requests' senders are learnt, we ourselves are not")
    s.no_leak("our own packets", held)


@case(2, "a neighbour in use that is gone is asked three times, then asked for like an unknown one",
      patch={"arp_timeout": SECOND * 3 // 2})
def gone(s):
    ip, mac = any_host()
    introduce(s, ip, mac)
    s.good("open 1 0 n")
    before, since, asked, result = s.counters("arp.expired"), s.here(), [], 0
    for _ in range(400):
        asked = [f for f in s.link.from_guest(since) if arp_request_for(ip)(f)]
        if len(asked) > 3 or result < 0:
            break
        result = s.number(f"send 1 {wire.ip_text(ip)} 6000 9 x")
    s.same("sendto() until then", 9, result, cause="an entry that is not confirmed goes, and the next datagram has the "
           "address asked for anew: it has not failed yet (RFC 1122, 2.3.2.1, method 2)")
    s.same("requests", 4, len(asked), cause="the request by which an old entry is confirmed is the first of three, and "
           "after the last the address is not known any more")
    for frame, station in zip(asked, 3 * [mac] + [wire.BROADCAST_MAC]):
        s.fields("the request", frame, {"eth.destination": station}, since, causes={
            "eth.destination": "who is known is asked by unicast, who is not by broadcast"})
    mac = any_host()[1]
    s.send(reply_from(ip, mac), "another station has the address now")
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6001 9 x", 9)
    s.fields("the datagram", s.wait("a datagram", udp_to(6001), since), {"eth.destination": mac}, since)
    # The grader's own peer is a neighbour too, and may have expired meanwhile.
    expired = s.counters("arp.expired")["arp.expired"] - before["arp.expired"]
    s.at_least("the counter arp.expired goes up by", 1, expired)


@case(2, "an entry made by hand stays as it is")
def permanent(s):
    ip, mac = any_host()
    s.good(f"arp {wire.ip_text(ip)} {mac.hex()}")
    introduce(s, ip, any_host()[1])
    s.good("open 1 0 n")
    since = s.here()
    s.good(f"send 1 {wire.ip_text(ip)} 6000 9 x", 9)
    s.fields("the datagram", s.wait("a datagram", udp_to(6000), since), {"eth.destination": mac}, since,
             causes={"eth.destination": "the entry is ARP_PERMANENT: no packet changes it"})
