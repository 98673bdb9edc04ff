"""WebSocket frames, as both ends of the checked traffic read and write them."""

import os
import struct

from house import expect


def masked(key, data, offset=0):
    if not data:
        return data
    key = key[offset % 4:] + key[:offset % 4]
    pad = key * (len(data) // 4 + 1)
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad[:len(data)], "big")).to_bytes(len(data), "big")


class Frames:
    """Takes a stream of WebSocket frames apart."""

    def __init__(self):
        self.header, self.left, self.opcode, self.key, self.place, self.control = b"", 0, 0, None, 0, b""
        self.pings, self.pongs, self.closed = [], [], False

    def feed(self, data):
        out = []
        while data:
            if self.left:
                piece, data = data[:self.left], data[self.left:]
                plain = masked(self.key, piece, self.place) if self.key else piece
                self.left -= len(piece)
                self.place += len(piece)
                if self.opcode < 8:
                    out.append(plain)
                else:
                    self.control += plain
            else:
                self.header, data = self.header + data[:1], data[1:]
                if not self.complete():
                    continue
            if not self.left and self.opcode >= 8:
                {8: lambda: setattr(self, "closed", True), 9: lambda: self.pings.append(self.control),
                 10: lambda: self.pongs.append(self.control)}[self.opcode]()
                self.control = b""
        return b"".join(out)

    def complete(self):
        head = self.header
        if len(head) < 2:
            return False
        short, size = head[1] & 127, 2
        size += {126: 2, 127: 8}.get(short, 0) + (4 if head[1] & 128 else 0)
        if len(head) < size:
            return False
        self.opcode, self.place = head[0] & 15, 0
        expect(self.opcode in (0, 2, 8, 9, 10), "an opcode", self.opcode)
        self.left = {126: lambda: struct.unpack(">H", head[2:4])[0], 127: lambda: struct.unpack(">Q", head[2:10])[0]}.get(
            short, lambda: short)()
        self.key = head[size - 4:size] if head[1] & 128 else None
        self.header = b""
        return True


def frame(payload, mask, opcode=2, final=True):
    head = bytes([opcode | (128 if final else 0)])
    bit = 128 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + masked(key, payload)
