"""What an idle session weighs in user memory, plain and over TLS: understudy (with records of its own and with OpenSSL's), haproxy and
nginx in one run.

Sessions are connected, have had their CONNACK, and are silent. The figure is the growth of memory between the first tenth of the
sessions and all of them, for each. Of the others: the process's private memory (smaps_rollup: Private_Clean and Private_Dirty). Of
ours: anonymous memory of balancer and holder, all of the files in memory that they share, and the memory of the keys. What TLS
sessions of ours weigh is told again after so many deaths of the balancer, and after an upgrade to another file of the program;
nobody may be lost by either.

usage: memory.py [SESSIONS [DEATHS [tls]]]     4000 and 5 when not named; haproxy and nginx take part when they are installed
"""

import os
import pathlib
import resource
import shutil
import signal
import sys
import time

import haproxy
import house
from crowd import answer_everybody, dismiss, herd
from house import expect, memory_of, memory_parts

UNDERSTUDY = """
listen plain { bind *:1084; use broker; backlog 16384 }
listen tls { bind *:8883; use broker; backlog 16384; tls { certificate @/combined.pem; timeout handshake 120s } }
listen openssl { bind *:8884; use broker; backlog 16384; tls { certificate @/combined.pem; records openssl; timeout handshake 120s } }
backend broker { server one 10.77.0.1:1883; check none; timeout connack 60s; timeout connect 60s }
loops 1
"""

HAPROXY = (
    haproxy.beginning(9500, "nbthread 1", connect="60s") + haproxy.listener("plain", "*:2883")
    + haproxy.listener("tls", "*:3883 ssl crt @/combined.pem") + haproxy.brokers("10.77.0.1:1883", length=32))

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
    ("understudy", "understudy", {"plain": 1084, "TLS": 8883}), ("understudy, records openssl", "understudy", {"TLS": 8884}),
    ("haproxy", "haproxy", {"plain": 2883, "TLS": 3883}), ("nginx", "nginx", {"plain": 3884, "TLS": 4883}),
]


def private(pid):
    """Bytes of memory that are the process's own."""
    total = 0
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith(("Private_Clean", "Private_Dirty")):
            total += int(line.split()[1]) * 1024
    return total


def outlive(balancer, count, deaths, tls, few, added):
    """What the sessions weigh after deaths, and after an upgrade. `added`: how many came since `few` was weighed."""
    probe = house.Client(8883, "probe", tls=house.client_context(tls))

    def settle(what):
        house.wait_for(lambda: any(p.get("role") == "balancer" and p.get("phase") == "serving"
                                   for p in balancer.status().get("processes", [])), what)
        probe.ping()

    for number in range(deaths):
        os.kill(balancer.pid(), signal.SIGKILL)
        settle(f"it does not serve after death {number}")
        # Deaths in a row are another matter: this one has settled.
        time.sleep(0.5)
    print(f"understudy TLS after {deaths} deaths: {(settled(memory_of, balancer.pid()) - few) / added:.0f} bytes a session")
    other = house.SCRATCH / "another-understudy"
    shutil.copy(house.BINARY, other)
    print(balancer.tell("upgrade", other).strip())
    settle("it does not serve after the upgrade")
    print(f"understudy TLS after an upgrade: {(settled(memory_of, balancer.pid()) - few) / added:.0f} bytes a session")
    status = balancer.status()["balancer"]
    expect(status["sessions"] == count + 1, status["sessions"], "sessions are left of", count + 1)
    probe.close()


def settled(weigh, pid):
    """What a process weighs when it has come to rest: handshakes that are over have given back what they had."""
    last, now = 0, weigh(pid)
    end = time.monotonic() + 30
    while abs(now - last) > now // 1000 and time.monotonic() < end:
        time.sleep(2.5)
        last, now = now, weigh(pid)
    return now


def connect(count, port, tls, label):
    """In waves: haproxy's inspect-delay counts from the accept, handshakes of a whole crowd take longer."""
    for wave, first in enumerate(range(0, count, 400)):
        part = min(400, count - first)
        go = house.SCRATCH / f"go-{label}-{wave}"
        pipe = herd(part, 0, 1, go, tls, port)
        go.touch()
        up, failed, _ = os.read(pipe, 100).decode().split()
        expect(int(up) == part, label, up, "of", part, "are connected")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    deaths = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    tls = house.certificates(house.SCRATCH / "tls")
    house.run("ip", "address", "add", "10.77.0.1/32", "dev", "lo")
    # Of this namespace alone: the ports of one program's sessions are not free at once for the next one's.
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("1100 65000")
    pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("100")
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
            pid, stop, balancer = begin(program, kind, port, tls)
            weigh = memory_of if balancer else private
            name = f"{label.replace(', records ', '-')}-{kind}"
            folder = tls if kind == "TLS" else None
            connect(count // 10, port, folder, f"{name}-some")
            few = settled(weigh, pid)
            before = memory_parts(pid) if balancer else {}
            connect(count - count // 10, port, folder, f"{name}-all")
            figures[label, kind] = (settled(weigh, pid) - few) / (count - count // 10)
            print(f"{label} {kind}: {figures[label, kind]:.0f} bytes a session, {weigh(pid) / 2**20:.1f} MiB in all")
            for part, bytes in sorted(memory_parts(pid).items()) if balancer else ():
                print(f"  {part}: {(bytes - before.get(part, 0)) / (count - count // 10):.1f} a session, {bytes / 2**10:.0f} KiB in all")
            if (label, kind) == ("understudy", "TLS"):
                outlive(balancer, count, deaths, tls, few, count - count // 10)
            stop()
            dismiss()
    for (label, kind), bytes in figures.items():
        if label != "understudy":
            print(f"{kind}: {label} takes {bytes / max(1, figures['understudy', kind]):.1f} times as much")


def begin(program, kind, port, tls):
    """A program that serves, the process that does it, and how it ends."""
    if program == "understudy":
        balancer = house.Balancer(UNDERSTUDY.replace("@", str(tls)))
        return balancer.pid(), balancer.stop, balancer
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
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pid = int(house.wait_for(lambda: children.read_text().split(), "nginx's worker")[0])
    return pid, stop, None


if __name__ == "__main__":
    house.main(main)
