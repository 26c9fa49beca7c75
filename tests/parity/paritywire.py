# SPDX-License-Identifier: BSD-3-Clause
"""Frames of one TCP connection, made and read by Python alone: IPv4 and IPv6, extension headers, options,
fragments, and what may stand in front of IP."""
import collections
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
IPV4, IPV6 = 0x0800, 0x86dd
PLAIN_PPP = {IPV4: 0x21, IPV6: 0x57}
LINKS = ("plain", "priority", "vlan", "qinq", "pppoe", "vlan-pppoe", "mpls", "mpls-mpls")
MACS = (b"\2\0\0\0\0\1", b"\2\0\0\0\0\2")

Segment = collections.namedtuple("Segment", "ports seq flags payload is_good")


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(source, target, size):
    return source + target + struct.pack("!II" if len(source) == 16 else "!HH", *((size, 6) if len(source) == 16
                                                                                  else (6, size)))


class Path:
    """Of a connection: addresses, ports, and what its packets are in. Sides are 0 (client) and 1."""

    def __init__(self, chance, number):
        self.chance, self.link = chance, chance.choice(("plain",) * 5 + LINKS)
        self.type = chance.choice((IPV4, IPV6))
        self.ports = (10000 + number, chance.choice((25, 587)))
        # An address of its own: fragments of two connections never have one identification.
        self.hosts = ((b"\x20\x01\x0d\xb8" + bytes(11) + bytes([1 + number]), b"\x20\x01\x0d\xb8" + bytes(11) + b"\xff")
                      if self.type == IPV6 else (bytes((192, 0, 2, 1 + number)), bytes((198, 51, 100, 1))))
        self.identification = chance.getrandbits(16)

    def tcp(self, side, seq, ack, flags, payload, window, options, urgent, is_bad):
        options += b"\0" * (-len(options) % 4)
        head = struct.pack("!HHIIBBH", self.ports[side], self.ports[1 - side], seq & 0xffffffff, ack & 0xffffffff,
                           5 + len(options) // 4 << 4, flags, window)
        tail = struct.pack("!H", urgent) + options + payload
        whole = pseudo(self.hosts[side], self.hosts[1 - side], len(head) + 2 + len(tail)) + head + b"\0\0" + tail
        return head + struct.pack("!H", checksum(whole) ^ (0x1234 if is_bad else 0)) + tail

    def packet4(self, side, data, offset, more, is_whole):
        options = self.chance.choice((b"",) * 19 + (b"\1\1\1\0",)) if is_whole else b""
        place = offset // 8 | (0x2000 if more else 0) | (0x4000 if is_whole and self.chance.random() < .5 else 0)
        head = struct.pack("!BBHHHBB", 0x45 + len(options) // 4, self.chance.choice((0, 0, 2, 3)),
                           20 + len(options) + len(data), self.identification, place,
                           self.chance.choice((64, 3)), 6)
        rest = self.hosts[side] + self.hosts[1 - side] + options
        return head + struct.pack("!H", checksum(head + b"\0\0" + rest)) + rest + data

    def packet6(self, side, data, offset, more, is_whole):
        first, extension = 6, b""
        if not is_whole:
            first, extension = 44, struct.pack("!BBHI", 6, 0, offset | more, self.identification)
        elif self.chance.random() < .05:
            first, extension = self.chance.choice((0, 60)), b"\6\0\1\4\0\0\0\0"
        return (struct.pack("!IHBB", 6 << 28, len(extension) + len(data), first, 64) + self.hosts[side]
                + self.hosts[1 - side] + extension + data)

    def frames(self, side, tcp, cuts=()):
        """Of one segment, in fragments from these offsets on, out of order, some of them twice."""
        self.identification = self.identification + 1 & 0xffff
        edges = [0] + sorted(set(cuts)) + [len(tcp)]
        pieces = list(zip(edges, edges[1:]))
        if cuts:
            self.chance.shuffle(pieces)
            pieces += self.chance.sample(pieces, 1) if self.chance.random() < .3 else []
        make = self.packet6 if self.type == IPV6 else self.packet4
        return [self.frame(side, make(side, tcp[a:b], a, b != len(tcp), not cuts)) for a, b in pieces]

    def frame(self, side, packet):
        ppp = struct.pack("!BBHHH", 0x11, 0, 7, len(packet) + 2, PLAIN_PPP[self.type])
        front = {
            "plain": struct.pack("!H", self.type),
            "priority": struct.pack("!HHH", 0x8100, 0x6000, self.type),
            "vlan": struct.pack("!HHH", 0x8100, 100, self.type),
            "qinq": struct.pack("!HHHHH", 0x88a8, 5, 0x8100, 100, self.type),
            "pppoe": struct.pack("!H", 0x8864) + ppp,
            "vlan-pppoe": struct.pack("!HHH", 0x8100, 9, 0x8864) + ppp,
            "mpls": struct.pack("!HI", 0x8847, 16 << 12 | 0x140),
            "mpls-mpls": struct.pack("!HII", 0x8847, 17 << 12 | 0x40, 18 << 12 | 0x140),
        }[self.link]
        frame = MACS[1 - side] + MACS[side] + front + packet
        padding = max(0, 60 - len(frame)) if not self.link.startswith("mpls") else 0
        return frame + self.chance.choice((bytes(padding), b"", b"Q" * padding))


def packet_of(frame):
    """(is it IPv6, from its header on)."""
    kind, at = struct.unpack("!H", frame[12:14])[0], 14
    while kind in (0x8100, 0x88a8):
        kind, at = struct.unpack("!H", frame[at + 2:at + 4])[0], at + 4
    if kind == 0x8864:
        at += 8
    while kind == 0x8847:
        at += 4
        if frame[at - 2] & 1:
            break
    return frame[at] >> 4 == 6, frame[at:]


def segment_of(frame):
    """A Segment; whole and good is what has right lengths and sums, and is no fragment."""
    is_ipv6, packet = packet_of(frame)
    if is_ipv6:
        kind, hosts, tcp = packet[6], packet[8:40], packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
        is_good = True
        while kind in (0, 60):
            kind, tcp = tcp[0], tcp[8 * (tcp[1] + 1):]
    else:
        size = (packet[0] & 15) * 4
        kind, hosts, tcp = packet[9], packet[12:20], packet[size:struct.unpack("!H", packet[2:4])[0]]
        is_good = checksum(packet[:size]) == 0 and struct.unpack("!H", packet[6:8])[0] & 0x3fff == 0
    half = len(hosts) // 2
    is_good = is_good and kind == 6 and checksum(pseudo(hosts[:half], hosts[half:], len(tcp)) + tcp) == 0
    source, target, seq, _, offset, flags = struct.unpack("!HHIIBB", tcp[:14])
    return Segment((source, target), seq, flags, tcp[(offset >> 4) * 4:], is_good)


def write_capture(path, frames):
    """frames: (microseconds, bytes)."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for when, data in frames:
            f.write(struct.pack("<IIII", 1700000000 + when // 1000000, when % 1000000, len(data), len(data)) + data)


def read_capture(path):
    with open(path, "rb") as f:
        data = f.read()
    order = "<" if data[0] in (0xd4, 0x4d) else ">"
    at = 24
    while at < len(data):
        size = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        yield data[at + 16:at + 16 + size]
        at += 16 + size
