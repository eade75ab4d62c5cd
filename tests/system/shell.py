"""A guest with a shell, a peer and a gateway: what the wire and console tests start from."""

import contextlib
import re
import secrets
import time

from harness import wire
from harness.demo import GATEWAY_IP, GATEWAY_MAC, PEER_IP, PEER_MAC
from harness.host import Host
from harness.qemu import GUEST_MACS

GUEST_IP = wire.ip("10.0.2.15")
GUEST_MAC = wire.mac(GUEST_MACS[0])
PEER, PEER_ETH = wire.ip(PEER_IP), wire.mac(PEER_MAC)
GATEWAY, GATEWAY_ETH = wire.ip(GATEWAY_IP), wire.mac(GATEWAY_MAC)
STRANGER, STRANGER_ETH = wire.ip("10.0.2.77"), wire.mac("52:55:0a:00:02:4d")
CLOSED_PORT = 9999
PROMPT = r"^\$ "


class Shell:
    """Commands on the guest's console. Each is followed by an echo of a random word, which tells its end; the
    next one is typed when the prompt is there, so that the terminal's echo and the output do not mix."""

    def __init__(self, guest):
        self.guest = guest
        self.console = guest.console
        self.console.expect(PROMPT, 30)

    def run(self, command, timeout=15):
        """The command's output as text. Typed, the word has quotes in it, so that the terminal's echo is not taken for
        the end; and where a background process writes into that echo, it comes in front of the output."""
        word = secrets.token_hex(4)
        self.console.send(f"{command} ; echo end-''{word}\n")
        output = self.console.until(f"end-{word}\n", timeout)
        self.prompt()
        _, typed, behind = output.partition(f"end-''{word}\n")
        return behind if typed else output

    def serve(self, command, *ports):
        """Starts servers in the background, and waits until their UDP ports are bound."""
        self.run(f"{command} &")

        def ports_bound():
            sockets = self.run("netstat -u")
            return all(re.search(rf"\*:{port}\b", sockets) for port in ports)

        wait_until(ports_bound)

    def prompt(self):
        self.console.expect(PROMPT)

    def settle(self, timeout=10.0):
        """After arbitrary input: the line that is typed is thrown away, and the prompt waited for that comes behind
        everything."""
        word = secrets.token_hex(4)
        self.console.send(f"\x15echo {word}\n")
        self.console.expect(rf"(?<!echo ){word}\n", timeout)
        self.prompt()

    def counters(self):
        """{(group, name): value}: every counter that netstat shows."""
        found, group = {}, ""
        for line in self.run("netstat -ims").splitlines():
            heading, value = re.fullmatch(r"(\S+):", line), re.match(r"  [! ] +(\d+) (\S+)", line)
            if heading:
                group = heading.group(1)
            elif value:
                found[group, value.group(2)] = int(value.group(1))
        return found


class Wired(Shell):
    """A shell on a guest whose network is quiet, and the frames around it."""

    def __init__(self, guest, with_hosts=True):
        self.link = guest.links[0]
        if with_hosts:
            self.peer = Host(self.link, PEER_IP, PEER_MAC)
            self.gateway = Host(self.link, GATEWAY_IP, GATEWAY_MAC, forwards=True)
        super().__init__(guest)

    def send(self, frame):
        self.link.send(bytes(frame))

    def arp_request(self, sender_ip=PEER, sender_mac=PEER_ETH, target=GUEST_IP, **fields):
        self.send(wire.arp_frame(sender_mac, wire.BROADCAST_MAC, wire.ARP_REQUEST, sender_ip, target, **fields))

    def introduce(self, ip=PEER, mac=PEER_ETH):
        """The guest learns an address, by being asked for its own (RFC 826); waits for its answer."""
        since = self.link.position()
        self.arp_request(ip, mac)
        assert self.link.wait_for(lambda f: is_arp_reply_to(f, ip), since), "expected an ARP reply, got none"

    def ping(self, ip=PEER, mac=PEER_ETH):
        """Pings the guest and waits for the reply: all that was sent before has been dealt with then.
        Returns the reply."""
        since, mark = self.link.position(), secrets.token_bytes(4)
        self.send(wire.icmp_frame(mac, GUEST_MAC, ip, GUEST_IP, wire.ICMP_ECHO, 0, mark, b"fence"))
        reply = self.link.wait_for(
            lambda f: (m := wire.parse_icmp(f)) and m.kind == wire.ICMP_ECHO_REPLY and m.rest == mark and m, since)
        assert reply, "expected a reply to a ping, got none within 5 s"
        return reply

    def quiet_counters(self):
        """The counters, and how many frames went each way, of a moment in which no frame was under way: between two
        pings and their answers there was none, so all before the first had reached the guest, and all that the guest
        sent before it answered the second had reached the host."""
        while True:
            start = self.link.position()
            self.ping()
            counters = self.counters()
            self.ping()
            if self.link.position() == start + 4:
                from_guest = len(self.link.from_guest(until=start + 2))
                return counters, start + 2 - from_guest, from_guest

    def answers(self, *frames):
        """Sends frames and a ping behind them; returns what the guest sent until it answered the ping,
        without that answer, and without announcements, which come when they come. Silence is an empty list,
        and is known without waiting."""
        since = self.link.position()
        for frame in frames:
            self.send(frame)
        reply = self.ping()
        return [frame for frame in self.link.from_guest(since)
                if wire.parse_icmp(frame) != reply and not is_announcement(frame)]

    def counted(self, before, group, name):
        return self.counters()[group, name] - before[group, name]


def card_names(shell):
    """The names of the cards: the interfaces that are not loopback."""
    names = re.findall(r"^(\S+): ", shell.run("ifconfig"), re.M)
    return [name for name in names if name != "lo"]


@contextlib.contextmanager
def case(name):
    """One of many small cases that share a guest: says in which of them something went wrong."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"case {name!r}: {error}") from error


def wait_until(condition, seconds=20):
    """Looks again and again until condition() is true; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"expected {condition.__name__} within {seconds} s"


def is_arp_reply_to(frame, ip):
    packet = wire.parse_arp(frame)
    return bool(packet and packet.operation == wire.ARP_REPLY and packet.target_ip == ip)


def is_announcement(frame):
    """RFC 5227, 2.3: a broadcast request with the own address as sender and target."""
    packet = wire.parse_arp(frame)
    return bool(packet and packet.sender_ip == packet.target_ip and packet.operation == wire.ARP_REQUEST
                and packet.eth_destination == wire.BROADCAST_MAC)


def is_arp_request_for(frame, ip):
    packet = wire.parse_arp(frame)
    return bool(packet and packet.operation == wire.ARP_REQUEST and packet.target_ip == ip
                and packet.sender_ip != ip)


def udp_to_guest(payload=b"data", port=CLOSED_PORT, source=PEER, source_port=1234, destination=GUEST_IP,
                 ethernet=GUEST_MAC, **fields):
    return wire.udp_frame(PEER_ETH, ethernet, source, destination, source_port, port, payload, **fields)


def icmp_to_guest(kind, code=0, rest=b"\0\1\0\2", payload=b"payload", source=PEER, destination=GUEST_IP,
                  ethernet=GUEST_MAC, **fields):
    return wire.icmp_frame(PEER_ETH, ethernet, source, destination, kind, code, rest, payload, **fields)
