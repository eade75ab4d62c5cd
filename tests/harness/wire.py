"""Ethernet, ARP, IPv4, ICMP and UDP as bytes: build and take apart.

Addresses are `bytes` in wire order (6 or 4 of them), ports and lengths are ints. Builders make right
frames, and each field that a test may want wrong is a keyword. Parsers are for frames that audit.py has
found well-formed: they return None for anything else and never raise on odd bytes. Written by hand with
struct, because scapy takes milliseconds for a frame and the scripted host answers thousands.
"""

import socket
import struct
from typing import NamedTuple, Optional

BROADCAST_MAC = b"\xff" * 6
BROADCAST_IP = b"\xff" * 4
ETH_IP, ETH_ARP = 0x0800, 0x0806
ARP_REQUEST, ARP_REPLY = 1, 2
PROTO_ICMP, PROTO_UDP = 1, 17
ICMP_ECHO_REPLY, ICMP_UNREACHABLE, ICMP_ECHO = 0, 3, 8
PORT_UNREACHABLE = 3


def ip(text):
    """'10.0.2.15' -> 4 bytes."""
    return socket.inet_aton(text)


def ip_text(address):
    return socket.inet_ntoa(address)


def mac(text):
    """'52:54:00:12:34:56' -> 6 bytes."""
    return bytes.fromhex(text.replace(":", ""))


def mac_text(address):
    return address.hex(":")


def checksum(data):
    """RFC 1071: the complement of the one's complement sum of 16-bit words; odd lengths are padded."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


# --- building ---


def ethernet(destination, source, ethertype, payload):
    return destination + source + struct.pack(">H", ethertype) + payload


def arp(operation, sender_mac, sender_ip, target_mac, target_ip, hardware=1, protocol=ETH_IP,
        hardware_length=6, protocol_length=4):
    """The ARP packet alone, without its Ethernet header (RFC 826)."""
    return (struct.pack(">HHBBH", hardware, protocol, hardware_length, protocol_length, operation)
            + sender_mac + sender_ip + target_mac + target_ip)


def ipv4(source, destination, protocol, payload, ttl=64, identification=0, flags_offset=0x4000,
         options=b"", version=4, header_words=None, total_length=None, header_checksum=None, tos=0):
    """An IPv4 datagram (RFC 791). By default "don't fragment" is set, so the identification is moot."""
    words = 5 + len(options) // 4
    total = 20 + len(options) + len(payload) if total_length is None else total_length
    first = version << 4 | (words if header_words is None else header_words)
    header = struct.pack(">BBHHHBBH4s4s", first, tos, total, identification, flags_offset, ttl, protocol, 0,
                         source, destination) + options
    value = checksum(header) if header_checksum is None else header_checksum
    return header[:10] + struct.pack(">H", value) + header[12:] + payload


def udp_checksum(source, destination, segment):
    """Over pseudo-header and segment whose checksum field is 0 (RFC 768); a sum of 0 is sent as 0xffff."""
    pseudo = source + destination + struct.pack(">BBH", 0, PROTO_UDP, len(segment))
    return checksum(pseudo + segment) or 0xFFFF


def udp(source, destination, source_port, destination_port, payload, length=None, check=None):
    """The UDP segment alone; the addresses are for the checksum. check: a value in place of the right one."""
    size = 8 + len(payload) if length is None else length
    segment = struct.pack(">HHHH", source_port, destination_port, size, 0) + payload
    if check is None:
        check = udp_checksum(source, destination, segment)
    return segment[:6] + struct.pack(">H", check) + payload


def icmp(kind, code, rest, payload, check=None):
    """kind and code, the 4 bytes `rest` (identifier and sequence, or unused), and the data (RFC 792)."""
    message = struct.pack(">BBH4s", kind, code, 0, rest) + payload
    value = checksum(message) if check is None else check
    return message[:2] + struct.pack(">H", value) + message[4:]


def udp_frame(source_mac, destination_mac, source, destination, source_port, destination_port, payload,
              **fields):
    """A whole frame. fields: those of udp() (length, check), the others go to ipv4()."""
    udp_fields = {name: fields.pop(name) for name in ("length", "check") if name in fields}
    segment = udp(source, destination, source_port, destination_port, payload, **udp_fields)
    return ethernet(destination_mac, source_mac, ETH_IP,
                    ipv4(source, destination, PROTO_UDP, segment, **fields))


def icmp_frame(source_mac, destination_mac, source, destination, kind, code, rest, payload, **fields):
    message = icmp(kind, code, rest, payload, check=fields.pop("check", None))
    return ethernet(destination_mac, source_mac, ETH_IP,
                    ipv4(source, destination, PROTO_ICMP, message, **fields))


def arp_frame(source_mac, destination_mac, operation, sender_ip, target_ip, target_mac=b"\0" * 6,
              sender_mac=None, **fields):
    packet = arp(operation, sender_mac or source_mac, sender_ip, target_mac, target_ip, **fields)
    return ethernet(destination_mac, source_mac, ETH_ARP, packet)


# --- taking apart ---


class Arp(NamedTuple):
    eth_destination: bytes
    eth_source: bytes
    operation: int
    sender_mac: bytes
    sender_ip: bytes
    target_mac: bytes
    target_ip: bytes


class Packet(NamedTuple):
    """An IPv4 datagram in a frame; `payload` is what follows its header."""
    eth_destination: bytes
    eth_source: bytes
    source: bytes
    destination: bytes
    protocol: int
    ttl: int
    identification: int
    flags_offset: int
    header: bytes
    payload: bytes


class Udp(NamedTuple):
    packet: Packet
    source_port: int
    destination_port: int
    payload: bytes


class Icmp(NamedTuple):
    packet: Packet
    kind: int
    code: int
    rest: bytes
    payload: bytes


def parse_arp(frame) -> Optional[Arp]:
    if len(frame) < 42 or frame[12:20] != b"\x08\x06\x00\x01\x08\x00\x06\x04":
        return None
    return Arp(frame[0:6], frame[6:12], frame[21], frame[22:28], frame[28:32], frame[32:38], frame[38:42])


def parse_ip(frame) -> Optional[Packet]:
    if len(frame) < 34 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4:
        return None
    header_length = (frame[14] & 15) * 4
    total = int.from_bytes(frame[16:18], "big")
    if header_length < 20 or total < header_length or 14 + total > len(frame):
        return None
    return Packet(frame[0:6], frame[6:12], frame[26:30], frame[30:34], frame[23], frame[22],
                  int.from_bytes(frame[18:20], "big"), int.from_bytes(frame[20:22], "big"),
                  frame[14:14 + header_length], frame[14 + header_length:14 + total])


def parse_udp(frame) -> Optional[Udp]:
    packet = parse_ip(frame)
    if packet is None or packet.protocol != PROTO_UDP or len(packet.payload) < 8:
        return None
    source_port, destination_port, length = struct.unpack(">HHH", packet.payload[:6])
    return Udp(packet, source_port, destination_port, packet.payload[8:length])


def parse_icmp(frame) -> Optional[Icmp]:
    packet = parse_ip(frame)
    if packet is None or packet.protocol != PROTO_ICMP or len(packet.payload) < 8:
        return None
    return Icmp(packet, packet.payload[0], packet.payload[1], packet.payload[4:8], packet.payload[8:])


def describe(frame):
    """One line for people: the list of frames in a failed test's evidence."""
    request = parse_arp(frame)
    if request:
        verb = {ARP_REQUEST: "who has", ARP_REPLY: "reply to"}.get(request.operation, "op?")
        return (f"ARP {verb} {ip_text(request.target_ip)}, from {ip_text(request.sender_ip)} "
                f"at {mac_text(request.sender_mac)}")
    packet = parse_ip(frame)
    if packet is None:
        return f"{len(frame)} bytes: {frame[:32].hex()}"
    ends = f"{ip_text(packet.source)} > {ip_text(packet.destination)}"
    datagram = parse_udp(frame)
    if datagram:
        return (f"UDP {ends} ports {datagram.source_port} > {datagram.destination_port}, "
                f"{len(datagram.payload)} bytes: {datagram.payload[:24]!r}")
    message = parse_icmp(frame)
    if message:
        return f"ICMP {ends} type {message.kind} code {message.code}, {len(message.payload)} bytes"
    return f"IP {ends} protocol {packet.protocol}, {len(packet.payload)} bytes"
