#!/usr/bin/env python3
"""Shows captures of what our hosts sent to tshark, which must find every VRRP advert, ARP request and neighbour
advertisement valid.

usage: tshark-check.py FILE...
Prints how many of each form there were. Exit status: 0 all valid, and there were some; 1 not so.

Version 3 over IPv4 has two checksums (with a pseudo-header and without; docs/vrrp.md): a capture is valid when each
advert is right in one of the two, and the counts say in which. The trailer of an HMAC (28 bytes) is none of RFC 9568's.
Over IPv6 the checksum covers it, and tshark is shown the packet as it is. Over IPv4 it does not, and tshark, which does
not know the trailer, would add it up: it is shown the packet without it.
"""

import collections
import os
import struct
import subprocess
import sys
import tempfile

FIELDS = [
    "vrrp.version", "vrrp.checksum.status", "vrrp.prio", "vrrp.auth_type", "ip.version", "ipv6.version", "ip.ttl",
    "ipv6.hlim", "ip.checksum.status", "icmpv6.type", "icmpv6.checksum.status", "arp.isgratuitous", "_ws.malformed",
    "icmp.type",
]
GOOD = "1"
TRAILER = 28


def without_trailer(frame):
    """An Ethernet frame with an advert over IPv4, without the trailer behind the message; None: there is none."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 112:
        return None
    header = (frame[14] & 15) * 4
    message = 14 + header
    length = struct.unpack(">H", frame[16:18])[0]
    rest = length - header
    if rest < 8 or frame[message] >> 4 != 3 or rest != 8 + 4 * frame[message + 3] + TRAILER:
        return None
    ip = bytearray(frame[14:message])
    ip[2:4] = struct.pack(">H", length - TRAILER)
    ip[10:12] = b"\0\0"
    total = sum(struct.unpack(f">{header // 2}H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    ip[10:12] = struct.pack(">H", total ^ 0xFFFF)
    return frame[:14] + bytes(ip) + frame[message:14 + length - TRAILER]


def shorten(path):
    """Writes a capture anew without trailers.

    Returns: the path of the copy, and the numbers of the frames that had one."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    place, number, sealed = 24, 0, set()
    copy = tempfile.NamedTemporaryFile(prefix="understudy-tshark-", suffix=".pcap", delete=False)
    with copy:
        copy.write(data[:24])
        while place + 16 <= len(data):
            seconds, fraction, kept, length = struct.unpack(order + "IIII", data[place:place + 16])
            frame = data[place + 16:place + 16 + kept]
            if len(frame) < kept:
                break
            shorter = without_trailer(frame) if kept == length else None
            if shorter is not None:
                sealed.add(number)
                frame, kept, length = shorter, len(shorter), len(shorter)
            copy.write(struct.pack(order + "IIII", seconds, fraction, kept, length) + frame)
            place += 16 + struct.unpack(order + "I", data[place + 8:place + 12])[0]
            number += 1
    return copy.name, sealed


def dissect(path, pseudo_header):
    """The fields of every frame of a capture."""
    preference = "FALSE" if pseudo_header else "TRUE"
    words = ["tshark", "-n", "-r", path, "-o", f"vrrp.v3_checksum_as_in_v2:{preference}", "-o", "ip.check_checksum:TRUE",
             "-T", "fields", "-E", "separator=/t", "-E", "occurrence=f"]
    for field in FIELDS:
        words += ["-e", field]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0 and "cut short" not in result.stderr:
        raise SystemExit(f"tshark: {path}: {result.stderr.strip()}")
    return [dict(zip(FIELDS, line.split("\t"))) for line in result.stdout.splitlines()]


def main(paths):
    counts, faults = collections.Counter(), []
    for path in paths:
        short, sealed = shorten(path)
        try:
            plain, frames = dissect(short, False), dissect(short, True)
        finally:
            os.unlink(short)
        for number, frame in enumerate(frames):
            where = f"{path}, frame {number + 1}"
            if frame["_ws.malformed"]:
                faults.append(f"{where}: malformed")
            if frame["icmp.type"] or (frame["icmpv6.type"] and int(frame["icmpv6.type"]) < 128):
                # The kernel complains about a packet of the other side before anybody listens, and quotes it.
                counts["quoted in an ICMP error"] += 1
            elif frame["vrrp.version"]:
                family = 6 if frame["ipv6.version"] else 4
                name = f"v{frame['vrrp.version']} IPv{family}"
                if frame["vrrp.checksum.status"] == GOOD:
                    if name == "v3 IPv4":
                        name += " pseudo-header"
                elif name == "v3 IPv4" and plain[number]["vrrp.checksum.status"] == GOOD:
                    name += " message-only"
                else:
                    faults.append(f"{where}: {name}: wrong checksum {frame}")
                if (frame["ipv6.hlim"] or frame["ip.ttl"]) != "255":
                    faults.append(f"{where}: {name}: TTL or hop limit is not 255")
                if family == 4 and frame["ip.checksum.status"] != GOOD:
                    faults.append(f"{where}: wrong IP checksum")
                if frame["vrrp.auth_type"] == "1":
                    name += " password"
                if number in sealed:
                    name += " HMAC"
                if frame["vrrp.prio"] == "0":
                    counts["priority 0"] += 1
                counts[name] += 1
            elif frame["arp.isgratuitous"] in ("1", "True"):
                counts["gratuitous ARP"] += 1
            elif frame["icmpv6.type"] == "136":
                if frame["icmpv6.checksum.status"] != GOOD:
                    faults.append(f"{where}: neighbour advertisement with a wrong checksum")
                counts["neighbour advertisement"] += 1
    print("tshark: " + ", ".join(f"{count} x {name}" for name, count in sorted(counts.items())))
    for fault in faults[:20]:
        print(fault)
    print(f"tshark: {len(faults)} faults in {len(paths)} captures")
    return 1 if faults or not any(name.startswith("v") for name in counts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
