"""Many TLS clients reconnect at once while others have a session: how long do the others' pings take?

A ping is timed twice: as its client saw it, and from the moment it was given to the kernel until the kernel had the answer, which
does not count how long the client waited for a processor. What balancer and broker did meanwhile is sampled: how long each of their
threads ran, and how long it was ready to run and did not.

usage: storm.py [CLIENTS] [LIMIT-MS]     9000 and 100 when not named; fails when a ping took longer, by the kernel's times
"""

import os
import resource
import signal
import socket
import struct
import sys
import threading
import time

import house
from crowd import herd
from ends import Secure
from house import expect
from traffic import connect_packet

CONFIGURATION = """
listen tls { bind *:8883; backlog 16384; use broker; tls { certificate @/combined.pem; timeout handshake 120s } }
backend broker { server one 10.77.0.1:1883; server two 10.77.0.2:1883; check tcp every 1s; timeout connack 60s
                 timeout connect 60s }
loops auto
"""


# SO_TIMESTAMPNS and SCM_TIMESTAMPNS (asm-generic/socket.h).
TIMESTAMP = 35


class Pinging(Secure):
    """A client whose answers the kernel times."""

    def __init__(self, port, name, context):
        sock = socket.create_connection(("127.0.0.1", port), timeout=house.PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, context)
        self.sendall(connect_packet(name.encode()))
        expect(self.recv(4) == b"\x20\x02\x00\x00", name, "is not let in")
        sock.setsockopt(socket.SOL_SOCKET, TIMESTAMP, 1)

    def ping(self):
        """Seconds until the client had the answer, until the kernel had it, and when that was."""
        self.tls.write(b"\xc0\x00")
        record, arrived = self.outgoing.read(), None
        began = time.time()
        self.socket.sendall(record)
        given = time.time()
        while True:
            data, more, _, _ = self.socket.recvmsg(4096, 256)
            expect(data, "closed")
            for level, kind, content in more:
                if (level, kind) == (socket.SOL_SOCKET, TIMESTAMP):
                    seconds, nanoseconds = struct.unpack("qq", content[:16])
                    arrived = seconds + nanoseconds / 1e9
            self.incoming.write(data)
            try:
                expect(self.tls.read(2) == b"\xd0\x00", "no PINGRESP")
                break
            except house.ssl.SSLWantReadError:
                pass
        return time.time() - began, max(0.0, (arrived or time.time()) - given), arrived or time.time()


class Sampler:
    """What threads do, every 10 ms: a process of its own, so that this one's work does not hide it."""

    def __init__(self, processes, file):
        self.file = file
        self.child = os.fork()
        if self.child:
            return
        tasks = [(name, pid, tid) for name, pid in processes for tid in os.listdir(f"/proc/{pid}/task")]
        with open(file, "w") as out:
            while True:
                now = time.time()
                for name, pid, tid in tasks:
                    try:
                        ran, waited, _ = open(f"/proc/{pid}/task/{tid}/schedstat").read().split()
                        out.write(f"{now} {name}-{tid} {ran} {waited}\n")
                    except OSError:
                        pass
                for line in open("/proc/stat").read().splitlines():
                    if line.startswith("cpu") and line[3] != " ":
                        # Not busy, and taken by the host, in hundredths of a second.
                        words = line.split()
                        out.write(f"{now} {words[0]}-idle-stolen {(int(words[4]) + int(words[5])) * 10**7} {int(words[8]) * 10**7}\n")
                out.flush()
                time.sleep(0.01)

    def stop(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)

    def between(self, begin, end):
        """Thread → milliseconds it ran, and waited for a processor, in a time."""
        first, last = {}, {}
        for line in open(self.file):
            words = line.split()
            if len(words) != 4:
                continue
            at, name, counts = float(words[0]), words[1], (int(words[2]), int(words[3]))
            if at <= begin:
                first[name] = counts
            if name not in last or at <= end + 0.02:
                last[name] = counts
        return {name: tuple(round((b - a) / 1e6, 1) for a, b in zip(first.get(name, counts), counts)) for name, counts in last.items()}


def body():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    # On a machine that does other things too, nobody but the balancer is to be measured: it, the brokers and the established
    # sessions come before whatever else runs; the crowd does not.
    if os.environ.get("STORM_REALTIME"):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    house.build_hosts({"one": ["10.77.0.1"], "two": ["10.77.0.2"]})
    tls = house.certificates(house.SCRATCH / "tls")
    # The brokers are processes of this host for the same addresses: a cable costs nothing to the figure.
    for address in ("10.77.0.1", "10.77.0.2"):
        house.run("ip", "route", "del", f"{address}/32")
        house.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        # A broker that costs little: what is measured is the balancer.
        house.start(f"broker-{address}", [house.BINARY, "bench", "broker", f"mqtt://{address}:1883"])
    for address in ("10.77.0.1", "10.77.0.2"):
        house.wait_for(lambda: house.is_open(address, 1883), address)
    balancer = house.Balancer(CONFIGURATION.replace("@", str(tls)))
    house.wait_for(lambda: all(s["status"] == "up" for s in balancer.servers().values()), "the brokers")
    context = house.client_context(tls)
    established = [Pinging(8883, f"old-{number}", context) for number in range(20)]
    go = house.SCRATCH / "go"
    parts = 2
    pipes = [herd(count, part, parts, go, tls) for part in range(parts)]
    # Everybody in these namespaces, this script and its crowd among them.
    everybody = [(open(f"/proc/{pid}/comm").read().strip(), pid) for pid, line in house.command_lines() if line]
    sampler = Sampler(everybody, house.SCRATCH / "samples")

    pings, done = [], threading.Event()

    def watch():
        while not done.is_set():
            for client in established:
                pings.append(client.ping())
            time.sleep(0.01)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    time.sleep(1)
    calm = list(pings)
    before = balancer.status()["balancer"]["counters"]["longest-turn-us"]
    pings.clear()
    go.touch()
    results = [os.read(pipe, 100).decode().split() for pipe in pipes]
    done.set()
    watcher.join(house.PATIENCE)
    up, failed = sum(int(r[0]) for r in results), sum(int(r[1]) for r in results)
    took = max(float(r[2]) for r in results)
    sampler.stop()
    figure = lambda values, part: 1000 * sorted(values)[min(len(values) - 1, int(len(values) * part))]
    print(f"{count} clients: {up} up, {failed} failed, after {took:.1f} s, {up / took:.0f} handshakes a second")
    for label, some in (("before", calm), ("during", pings)):
        for place, which in enumerate(("seen by their clients", "by the kernel's times")):
            values = [ping[place] for ping in some]
            print(f"pings {label}, {which}: median {figure(values, 0.5):.2f} ms, 99% {figure(values, 0.99):.2f} ms, "
                  f"longest {figure(values, 1):.2f} ms ({len(values)})")
    seen, took_kernel, arrived = max(pings, key=lambda ping: ping[1])
    print(f"in the {1000 * took_kernel:.1f} ms of the longest, threads ran and waited for a processor (ms): "
          + ", ".join(f"{name} {ran} {waited}" for name, (ran, waited) in sorted(sampler.between(arrived - took_kernel, arrived).items())
                      if ran or waited))
    counters = balancer.status()["balancer"]["counters"]
    print(f"longest turn before: {before} us")
    print("turns: " + ", ".join(f"{name} {counters[name]}" for name in (
        "turns-crowded", "turns-crowded-long", "longest-crowded-work-us", "longest-turn-us", "handshakes-postponed",
        "accepts-postponed")))
    # The processor's time, not the clock's: whatever else runs on the machine does not count.
    expect(counters["turns-crowded"] == 0 or counters["longest-crowded-work-us"] <= 20_000,
           "a turn worked for", counters["longest-crowded-work-us"], "us while handshakes waited")
    expect(up == count, f"{count - up} clients are not connected")
    longest = 1000 * max(ping[1] for ping in pings)
    expect(longest <= limit, f"a ping took {longest:.1f} ms, the limit is {limit} ms")


house.main(body)
