"""A small IP host at the far end of the link: ARP, ICMP echo, UDP services, port unreachable.

    link = Link(...)
    peer = Host(link, "10.0.2.100", "52:55:0a:00:02:64")
    port = peer.open(received)            # a UDP service: received(datagram) for each wire.Udp
    peer.send_udp(guest_ip, 7, b"hello", source_port=port)

Several hosts may share a link (a peer and a gateway). All work is done in the link's thread, or in the
thread that calls send_udp; the services must not block. A host is deliberately forgiving: what the guest
does wrong is found by audit.py and by the judges, not by silence.
"""

import random
import threading

from . import wire

PORT_ECHO, PORT_DISCARD, PORT_DNS = 7, 9, 53
PRIVATE_PORTS = range(20000, 60000)  # where open() puts services that ask for no fixed port
MAXIMUM_PAYLOAD = 1472


class Host:
    def __init__(self, link, address, mac, forwards=False, seed=None):
        """forwards: this host is a gateway: it takes packets for every address that is not on its own /24,
        and answers pings to them itself."""
        self.link = link
        self.ip = wire.ip(address)
        self.mac = wire.mac(mac)
        self.forwards = forwards
        self.subnet_broadcast = self.ip[:3] + b"\xff"
        self.random = random.Random(seed)
        self.zone = {}       # DNS: name -> address of 4 bytes
        self.refused = []    # wire.Udp that came to a port nobody has
        self.errors = []     # wire.Icmp: unreachable messages received
        self.discarded = 0   # datagrams to the discard service
        self.answer_arp = True
        self._services = {PORT_ECHO: self._echo, PORT_DISCARD: self._discard, PORT_DNS: self._dns}
        self._neighbours = {}
        self._unresolved = []  # (address, frame with a zero destination)
        self._lock = threading.Lock()
        link.handlers.append(self.handle)

    # --- services ---

    def open(self, service, port=None):
        """Binds service(datagram) to a port, by default a random free one; returns the port."""
        if port is None:
            port = self.unused_port()
        self._services[port] = service
        return port

    def unused_port(self):
        """A random port that is closed now."""
        while True:
            port = self.random.choice(PRIVATE_PORTS)
            if port not in self._services:
                return port

    def close(self, port):
        self._services.pop(port, None)

    def reply(self, datagram, payload, source_port=None):
        """Answers a received datagram, from the port it came to unless told otherwise."""
        self.send_udp(datagram.packet.source, datagram.source_port, payload,
                      source_port or datagram.destination_port)

    # --- sending ---

    def send_udp(self, destination, port, payload, source_port, source=None, **fields):
        """fields: what wire.udp_frame takes, to send something odd."""
        frame = wire.udp_frame(self.mac, b"\0" * 6, source or self.ip, destination, source_port, port, payload,
                               **fields)
        self.send_ip(destination, frame)

    def send_ip(self, destination, frame):
        """Sends a frame whose Ethernet destination is still open, after resolving it if need be."""
        if destination in (wire.BROADCAST_IP, self.subnet_broadcast):
            self.link.send(wire.BROADCAST_MAC + frame[6:])
            return
        with self._lock:
            neighbour = self._neighbours.get(destination)
            if neighbour is None:
                self._unresolved.append((destination, frame))
        if neighbour:
            self.link.send(neighbour + frame[6:])
        else:
            self.link.send(wire.arp_frame(self.mac, wire.BROADCAST_MAC, wire.ARP_REQUEST, self.ip, destination))

    # --- receiving, in the link's thread ---

    def handle(self, frame):
        if frame[0:6] not in (self.mac, wire.BROADCAST_MAC):
            return
        if frame[12:14] == b"\x08\x06":
            self._handle_arp(frame)
            return
        packet = wire.parse_ip(frame)
        if packet is None or not self._accepts(packet.destination):
            return
        if packet.protocol == wire.PROTO_UDP:
            self._handle_udp(frame)
        elif packet.protocol == wire.PROTO_ICMP:
            self._handle_icmp(frame)

    def _accepts(self, destination):
        if destination in (self.ip, self.subnet_broadcast, wire.BROADCAST_IP):
            return True
        return self.forwards and destination[:3] != self.ip[:3]

    def _learn(self, address, mac):
        with self._lock:
            self._neighbours[address] = mac
            ready = [frame for target, frame in self._unresolved if target == address]
            self._unresolved = [entry for entry in self._unresolved if entry[0] != address]
        for frame in ready:
            self.link.send(mac + frame[6:])

    def _handle_arp(self, frame):
        packet = wire.parse_arp(frame)
        if packet is None or packet.sender_ip == b"\0" * 4:
            return
        self._learn(packet.sender_ip, packet.sender_mac)
        if packet.operation == wire.ARP_REQUEST and packet.target_ip == self.ip and self.answer_arp:
            self.link.send(wire.arp_frame(self.mac, packet.sender_mac, wire.ARP_REPLY, self.ip, packet.sender_ip,
                                          packet.sender_mac))

    def _handle_udp(self, frame):
        datagram = wire.parse_udp(frame)
        if datagram is None:
            return
        self._learn_source(datagram.packet)
        service = self._services.get(datagram.destination_port)
        if service:
            service(datagram)
        elif datagram.packet.destination == self.ip and frame[0:6] == self.mac:
            self.refused.append(datagram)
            quoted = datagram.packet.header + datagram.packet.payload[:8]
            self._send_icmp(datagram.packet, wire.ICMP_UNREACHABLE, wire.PORT_UNREACHABLE, b"\0" * 4, quoted)

    def _handle_icmp(self, frame):
        message = wire.parse_icmp(frame)
        if message is None:
            return
        self._learn_source(message.packet)
        if message.kind == wire.ICMP_ECHO and message.packet.destination[3] != 255:
            self._send_icmp(message.packet, wire.ICMP_ECHO_REPLY, 0, message.rest, message.payload)
        elif message.kind == wire.ICMP_UNREACHABLE:
            self.errors.append(message)

    def _learn_source(self, packet):
        """Only from senders on the subnet: what a router passes on does not tell the origin's MAC."""
        if packet.source[:3] == self.ip[:3] and self._neighbours.get(packet.source) != packet.eth_source:
            self._learn(packet.source, packet.eth_source)

    def _send_icmp(self, to, kind, code, rest, payload):
        """Answers the packet `to`, from the address it was sent to."""
        self.link.send(wire.icmp_frame(self.mac, to.eth_source, to.destination, to.source, kind, code, rest,
                                       payload))

    # --- the standard services ---

    def _echo(self, datagram):
        """RFC 862."""
        if datagram.packet.destination == self.ip:
            self.reply(datagram, datagram.payload)

    def _discard(self, _datagram):
        """RFC 863, with a count."""
        self.discarded += 1

    def _dns(self, datagram):
        """A DNS server for `zone`: A records of class IN, and NXDOMAIN for every other name (RFC 1035)."""
        query = datagram.payload
        labels, end = [], 12
        while end < len(query) and query[end]:
            labels.append(query[end + 1:end + 1 + query[end]])
            end += 1 + query[end]
        question = query[12:end + 5]
        if len(query) < 12 or query[2] & 0x80 or query[4:6] != b"\0\1" or len(question) != end - 7:
            return  # not a query with one whole question: RFC 1035 has no answer to it
        name = b".".join(labels).decode("ascii", "replace").lower()
        address = self.zone.get(name) if question[-4:] == b"\0\1\0\1" else None
        recursion_desired = query[2] & 1
        code = 0 if name in self.zone else 3
        header = query[:2] + bytes([0x84 | recursion_desired, 0x80 | code]) + b"\0\1" + bytes(
            [0, 1 if address else 0]) + b"\0" * 4
        # Answer: pointer to the name at offset 12, type A, class IN, 60 s, 4 bytes.
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + address if address else b""
        self.reply(datagram, header + question + answer)
