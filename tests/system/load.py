"""Traffic both ways while something is done to the card, and what must hold afterwards."""

from harness import wire
from shell import GUEST_IP, GUEST_MAC, PEER, PEER_ETH, udp_to_guest, wait_until

ECHO = 7


class Load:
    """Echo requests to the guest, a window of them under way at a time: each answer brings the next one, and what
    is lost is sent anew by prime(). The guest runs `udpecho 7`."""

    def __init__(self, wired):
        self.wired = wired
        self.answered = 0
        self.sent = 0
        wired.serve(f"udpecho {ECHO}", ECHO)
        wired.link.handlers.append(self._answer)

    def _answer(self, frame):
        datagram = wire.parse_udp(frame)
        if datagram and datagram.source_port == ECHO:
            self.answered += 1
            self._send()

    def _send(self):
        self.sent += 1
        self.wired.send(udp_to_guest(b"%8d" % self.sent + b"-" * 500, port=ECHO, source_port=4000))

    def prime(self, window=32):
        for _ in range(window):
            self._send()

    def proceeds(self, answers=50):
        goal = self.answered + answers

        def load_proceeds():
            return self.answered >= goal

        self.prime()
        wait_until(load_proceeds)

    def end(self):
        self.wired.link.handlers.remove(self._answer)


def check_nothing_is_lost(wired, quiet):
    """After a load: every mbuf is where it was in the counters `quiet`, and the echo's socket goes on. Returns the counters
    of now."""
    after = {}

    def all_answered():  # udpecho may still have a queue; each ping has the ring's sent frames taken back
        wired.ping()
        wired.ping()
        after.update(wired.counters())
        held = [after["mbuf", name] for name in ("stack", "arp_wait", "reassembly", "socket", "dev_queue")]
        return not any(held) and after["mbuf", "tx_ring"] <= 2

    wired.settle()
    wait_until(all_answered)
    counts = {name: after["mbuf", name] for name in ("free", "rx_ring", "tx_ring")}
    assert sum(counts.values()) == after["mbuf", "total"], counts
    assert counts["rx_ring"] == quiet["mbuf", "rx_ring"]
    (socket,) = [line.split() for line in wired.run("netstat -u").splitlines() if line.startswith("udp")]
    assert socket[1] == "0" and socket[5] == f"*:{ECHO}", socket
    since = wired.link.position()
    wired.send(wire.udp_frame(PEER_ETH, GUEST_MAC, PEER, GUEST_IP, 4001, ECHO, b"still there"))
    assert wired.link.wait_for(lambda f: (d := wire.parse_udp(f)) and d.payload == b"still there", since)
    return after
