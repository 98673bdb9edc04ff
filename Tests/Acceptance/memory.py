"""What an idle session weighs in user memory, plain and over TLS: understudy (with records of its own and with OpenSSL's), haproxy and
nginx in one run.

Sessions are connected, have had their CONNACK, and are silent. The figure is the growth of the process's private memory
(smaps_rollup: Private_Clean and Private_Dirty) between the first tenth of the sessions and all of them, for each.

usage: memory.py [SESSIONS] [tls]     4000 when not named; haproxy and nginx take part when they are installed
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
listen openssl { bind *:8884; use broker; backlog 16384; tls { certificate @/combined.pem; records openssl } }
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

# Bytes are passed only: it reads no MQTT.
NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid @/nginx.pid; error_log @/nginx.err;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events { worker_connections 19000; }
stream {
  server { listen 4883 ssl backlog=16384; ssl_certificate @/server.pem; ssl_certificate_key @/server.key;
           proxy_pass 10.77.0.1:1883; proxy_timeout 1h; }
  server { listen 3884 backlog=16384; proxy_pass 10.77.0.1:1883; proxy_timeout 1h; }
}
"""

# Name, program, listeners of each kind.
RUNS = [
    ("understudy", "understudy", {"plain": 1884, "TLS": 8883}), ("understudy, records openssl", "understudy", {"TLS": 8884}),
    ("haproxy", "haproxy", {"plain": 2883, "TLS": 3883}), ("nginx", "nginx", {"plain": 3884, "TLS": 4883}),
]


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
    for label, program, ports in RUNS:
        if program != "understudy" and not shutil.which(program):
            print(f"{program} is not installed")
            continue
        for kind, port in ports.items():
            if kind == "plain" and "tls" in sys.argv:
                continue
            # A process for each figure: what one kind has freed does not hide what the other takes.
            pid, stop = begin(program, kind, port, tls)
            name = f"{label.replace(', records ', '-')}-{kind}"
            folder = tls if kind == "TLS" else None
            connect(count // 10, port, folder, f"{name}-some")
            few = private(pid)
            connect(count - count // 10, port, folder, f"{name}-all")
            figures[label, kind] = (private(pid) - few) / (count - count // 10)
            print(f"{label} {kind}: {figures[label, kind]:.0f} bytes a session, {private(pid) / 2**20:.1f} MiB in all")
            stop()
    for (label, kind), bytes in figures.items():
        if label != "understudy":
            print(f"{kind}: {label} takes {bytes / max(1, figures['understudy', kind]):.1f} times as much")


def begin(program, kind, port, tls):
    """A program that serves, the process that does it, and how it ends."""
    if program == "understudy":
        balancer = house.Balancer(UNDERSTUDY.replace("@", str(tls)))
        return balancer.pid(), balancer.stop
    file = house.SCRATCH / f"{program}.conf"
    file.write_text((HAPROXY if program == "haproxy" else NGINX).replace("@", str(tls)))
    words = ["haproxy", "-db", "-f", file] if program == "haproxy" else ["nginx", "-c", file]
    process = house.start(f"{program}-{kind}", words)
    house.wait_for(lambda: house.is_open("127.0.0.1", port), program)

    def stop():
        process.terminate()
        process.wait()

    pid = process.pid
    if program == "nginx":
        pid = int(house.run("pgrep", "-P", str(process.pid)).split()[0])
    return pid, stop


if __name__ == "__main__":
    house.main(main)
