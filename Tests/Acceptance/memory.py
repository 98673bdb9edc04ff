"""What an idle session weighs in user memory, plain and over TLS: understudy and haproxy in one run.

Sessions are connected, have had their CONNACK, and are silent. The figure is the growth of the process's private memory
(smaps_rollup: Private_Clean and Private_Dirty) between the first tenth of the sessions and all of them, for each.

usage: memory.py [SESSIONS]     4000 when not named; haproxy takes part when it is installed
"""

import os
import resource
import shutil
import sys
import time

import house
from crowd import answer_everybody, herd
from house import expect

UNDERSTUDY = """
listen plain { bind *:1884; use broker; backlog 16384 }
listen tls { bind *:8883; use broker; backlog 16384; tls { certificate @/combined.pem } }
backend broker { server one 10.77.0.1:1883; check none; timeout connack 60s; timeout connect 60s }
loops 1
"""

# The documents' rules: CONNECT is read and checked, a table remembers client IDs.
HAPROXY = """
global
  maxconn 9000
  nbthread 1
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode tcp
  timeout connect 60s
  timeout client 1h
  timeout server 1h
frontend plain
  bind *:2883 backlog 16384
  tcp-request inspect-delay 10s
  tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }
  default_backend broker
frontend tls
  bind *:3883 backlog 16384 ssl crt @/combined.pem
  tcp-request inspect-delay 10s
  tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }
  default_backend broker
backend broker
  stick-table type string len 32 size 100k expire 30m
  stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)
  server one 10.77.0.1:1883
"""


def private(pid):
    """Bytes of memory that are the process's own."""
    total = 0
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith(("Private_Clean", "Private_Dirty")):
            total += int(line.split()[1]) * 1024
    return total


def connect(count, port, tls, label):
    """In waves: haproxy's inspect-delay counts from the accept, handshakes of a whole crowd take longer."""
    for wave, first in enumerate(range(0, count, 400)):
        part = min(400, count - first)
        go = house.SCRATCH / f"go-{label}-{wave}"
        pipe = herd(part, 0, 1, go, tls, port)
        go.touch()
        up, failed, _ = os.read(pipe, 100).decode().split()
        expect(int(up) == part, label, up, "of", part, "are connected")
    time.sleep(2)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    tls = house.certificates(house.SCRATCH / "tls")
    house.run("ip", "address", "add", "10.77.0.1/32", "dev", "lo")
    answer_everybody("10.77.0.1")
    house.wait_for(lambda: house.is_open("10.77.0.1", 1883), "the broker")
    figures = {}
    for label, plain, encrypted in [("understudy", 1884, 8883), ("haproxy", 2883, 3883)]:
        if not shutil.which(label) and label != "understudy":
            print(f"{label} is not installed")
            continue
        for kind, port, folder in [("plain", plain, None), ("TLS", encrypted, tls)]:
            # A process for each figure: what one kind has freed does not hide what the other takes.
            if label == "understudy":
                program = house.Balancer(UNDERSTUDY.replace("@", str(tls)))
                pid = program.pid()
                stop = program.stop
            else:
                file = house.SCRATCH / "haproxy.cfg"
                file.write_text(HAPROXY.replace("@", str(tls)))
                process = house.start(f"haproxy-{kind}", ["haproxy", "-db", "-f", file])
                house.wait_for(lambda: house.is_open("127.0.0.1", port), "haproxy")
                pid = process.pid
                def stop(process=process):
                    process.kill()
                    process.wait()
            connect(count // 10, port, folder, f"{label}-{kind}-some")
            few = private(pid)
            connect(count - count // 10, port, folder, f"{label}-{kind}-all")
            figures[label, kind] = (private(pid) - few) / (count - count // 10)
            print(f"{label} {kind}: {figures[label, kind]:.0f} bytes a session, {private(pid) / 2**20:.1f} MiB in all")
            stop()
    for kind in ("plain", "TLS"):
        if ("haproxy", kind) in figures:
            print(f"{kind}: haproxy takes {figures['haproxy', kind] / max(1, figures['understudy', kind]):.1f} times as much")


house.main(main)
