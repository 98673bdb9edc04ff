#!/usr/bin/env python3
"""Shows captures of what our hosts sent to tshark, which must find every VRRP advert, ARP request and neighbour
advertisement valid.

usage: tshark-check.py FILE...
Prints how many of each form there were. Exit status: 0 all valid, and there were some; 1 not so.

Version 3 over IPv4 has two checksums (with a pseudo-header and without; docs/vrrp.md): a capture is valid when each
advert is right in one of the two, and the counts say in which. The trailer of an HMAC is none of VRRP's bytes: the
dissector stops before it, and the checksum does not cover it.
"""

import collections
import subprocess
import sys

FIELDS = [
    "vrrp.version", "vrrp.checksum.status", "vrrp.prio", "vrrp.auth_type", "ip.version", "ipv6.version", "ip.ttl",
    "ipv6.hlim", "ip.checksum.status", "icmpv6.type", "icmpv6.checksum.status", "arp.isgratuitous", "_ws.malformed",
    "_ws.expert.message",
]
GOOD = "1"


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
        plain = dissect(path, False)
        for number, frame in enumerate(dissect(path, True)):
            where = f"{path}, frame {number + 1}"
            if frame["_ws.malformed"]:
                faults.append(f"{where}: malformed")
            if frame["vrrp.version"]:
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
