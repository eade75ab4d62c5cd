"""Rules that every frame sent by a guest must obey, whatever test runs.

audit(frame, guest_mac) names each broken rule, with its row in the requirement table (RFC 1122's host
requirements). The link calls it for each frame from the guest, and a test with a fault in it fails: a
stack that happens to get its payloads across with a wrong checksum or a broadcast source is found at
once, not when somebody looks.
"""

from . import wire


def audit(frame, guest_mac=None):
    """The faults of one frame from the guest, as texts; none: []. What stands before the first colon is the kind of the
    fault, the same in every frame: graders take points for each kind once."""
    if len(frame) < 14:
        return [f"frame has no whole Ethernet header (L1): {len(frame)} bytes"]
    faults = []
    if len(frame) > 1514:
        faults.append(f"frame is longer than 1514 bytes (L1): {len(frame)}")
    if guest_mac is not None and frame[6:12] != guest_mac:
        faults.append(f"Ethernet source is not the guest's (L1): {wire.mac_text(frame[6:12])}")
    kind = int.from_bytes(frame[12:14], "big")
    if kind == wire.ETH_ARP:
        return faults + _audit_arp(frame)
    if kind == wire.ETH_IP:
        return faults + _audit_ip(frame)
    return faults + [f"Ethernet type is neither IPv4 nor ARP (L1): {kind:#06x}"]


def _audit_arp(frame):
    packet = wire.parse_arp(frame)
    if packet is None:
        return ["ARP packet is short, or not of Ethernet and IPv4 (A1)"]
    faults = []
    if packet.operation not in (wire.ARP_REQUEST, wire.ARP_REPLY):
        faults.append(f"ARP operation is neither request nor reply (A1): {packet.operation}")
    if packet.sender_mac != packet.eth_source:
        faults.append("ARP sender is not the frame's source (A2)")
    if packet.operation == wire.ARP_REPLY and packet.eth_destination == wire.BROADCAST_MAC:
        faults.append("ARP reply is broadcast (A2)")
    if packet.operation == wire.ARP_REQUEST and packet.target_ip == b"\0" * 4:
        faults.append("ARP asks for 0.0.0.0 (I8)")
    return faults


def _audit_ip(frame):
    packet = wire.parse_ip(frame)
    if packet is None:
        return ["IPv4 header: version, header length or total length is wrong (I1, I3)"]
    faults = []
    if wire.checksum(packet.header) != 0:
        faults.append("IPv4 header checksum is wrong (I2)")
    if packet.ttl == 0:
        faults.append("IPv4 TTL is 0 (I11)")
    if packet.source[0] == 127 or packet.destination[0] == 127:
        faults.append("a 127/8 address is on the wire (I7)")
    if packet.source[0] >= 224 or packet.source[0] == 0:
        faults.append(f"source is not one host (I6, I8): {wire.ip_text(packet.source)}")
    if packet.destination[0] == 0:
        faults.append(f"destination is in network 0 (I8): {wire.ip_text(packet.destination)}")
    many = packet.destination[0] >= 224 or packet.destination[3] == 255  # all test networks are /24
    if packet.eth_destination == wire.BROADCAST_MAC and not many:
        faults.append("unicast destination in a link-layer broadcast frame (B2)")
    if packet.flags_offset & 0x3FFF:
        faults.append("a fragment was sent, though fragments are not sent by this stack (F5)")
    elif packet.protocol == wire.PROTO_UDP:
        faults += _audit_udp(packet)
    elif packet.protocol == wire.PROTO_ICMP:
        if len(packet.payload) < 8 or wire.checksum(packet.payload) != 0:
            faults.append("ICMP message is short or its checksum is wrong (C2)")
    else:
        faults.append(f"IPv4 protocol is neither ICMP nor UDP: {packet.protocol}")
    return faults


def _audit_udp(packet):
    segment = packet.payload
    if len(segment) < 8 or int.from_bytes(segment[4:6], "big") != len(segment):
        return ["UDP length is not that of the IP payload (U10)"]
    faults = []
    if segment[6:8] == b"\0\0":
        faults.append("UDP checksum is missing (U4, U6)")
    else:
        zeroed = segment[:6] + b"\0\0" + segment[8:]
        right = wire.udp_checksum(packet.source, packet.destination, zeroed)
        if right != int.from_bytes(segment[6:8], "big"):
            faults.append(f"UDP checksum is wrong (U4, U6): {segment[6:8].hex()}, expected {right:04x}")
    if segment[0:2] == b"\0\0" or segment[2:4] == b"\0\0":
        faults.append("UDP port 0 (U9)")
    return faults
