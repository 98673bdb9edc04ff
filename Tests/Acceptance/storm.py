"""Thousands of TLS clients come, and come back all at once, while others have a session: how long do the others' pings take?

The crowd is `understudy bench storm`: so many sessions are opened, 256 at a time; then all end at one moment and come back at once. Every
handshake is a full one. Beside them 20 sessions ping one after the other all the time. Each program of the run (ours, haproxy with as many
threads) has the same brokers and the same crowd. Everybody is in a control group of its own, as systemd puts services: ours with the
`CPUWeight=` of its unit, haproxy, brokers and crowd with 100, which is what nobody says something else than. Nobody has a priority but the
clients that ping and the broker of theirs, which has nobody else: they are the measuring instrument, cost little, and stand for other
machines. (The crowd's brokers lose as many sessions at that moment as the proxy does: a ping through them would tell of both.)

A ping is timed twice: as its client saw it, and from the moment before it was given to the kernel until the kernel had the answer. What
the others did meanwhile is sampled: how long each of their threads ran, and how long it was ready to run and did not.

usage: storm.py [CLIENTS] [LIMIT-MS] [--programs NAME[:WEIGHT],…] [--runs N]
    9000 and 100 when not named; fails when a ping through ours, with its own weight, took longer
"""

import argparse
import json
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import haproxy
import house
from ends import Secure
from house import expect
from traffic import connect_packet

CONFIGURATION = """
listen tls { bind *:PORT; backlog 16384; use observed when client-id old-; use broker; tls { certificate @/combined.pem; timeout handshake 120s } }
backend broker { server one 10.77.0.1:1883; server two 10.77.0.2:1883; check tcp every 1s; timeout connack 60s
                 timeout connect 60s }
backend observed { server three 10.77.0.3:1883; check tcp every 1s }
loops auto
"""

# Its documents' rules, as far as they are for TLS; as many threads as processors.
HAPROXY = (
    haproxy.beginning(9900, connect="60s") + haproxy.listener("tls", "*:PORT ssl crt @/combined.pem", inspect="60s")
    + "  use_backend observed if { req.payload(0,0),mqtt_field_value(connect,client_identifier) -m beg old- }\n"
    + haproxy.brokers("10.77.0.1:1883", "10.77.0.2:1883") + haproxy.section("backend observed", "server three 10.77.0.3:1883"))
PORTS = {"understudy": 8883, "haproxy": 8884}

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
        heard = time.time()
        return heard - began, max(0.0, (arrived or heard) - began), arrived or heard


class Sampler:
    """What threads do, every 10 ms: a process of its own, so that this one's work does not hide it."""

    def __init__(self, processes, file):
        self.file = file
        self.child = os.fork()
        if self.child:
            return
        tasks = [(name, pid, tid) for name, pid in processes for tid in os.listdir(f"/proc/{pid}/task")]
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
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


class Groups:
    """Control groups of this run, where the kernel has those of the first version."""
    root = pathlib.Path("/sys/fs/cgroup/cpu")
    made = []

    @classmethod
    def words(cls, name, weight=100):
        """Words before a command that put it into a group."""
        place = cls.root / f"understudy-storm-{name}-{weight}"
        try:
            place.mkdir(exist_ok=True)
            # As systemd translates a weight of 100 (systemd.resource-control(5)).
            (place / "cpu.shares").write_text(str(1024 * weight // 100))
        except OSError as error:
            print(f"no control group for {name}: {error}")
            return []
        if place not in cls.made:
            cls.made.append(place)
        return ["sh", "-c", 'echo 0 > "$0/cgroup.procs"; exec "$@"', str(place)]

    @classmethod
    def remove(cls):
        for place in cls.made:
            try:
                house.wait_for(lambda: not (place / "cgroup.procs").read_text().split(), f"somebody stays in {place}", 5)
                place.rmdir()
            except (OSError, house.Failure) as error:
                print(f"{place} stays: {error}")


def own_weight():
    """The weight that the unit gives us."""
    found = re.search(r"^CPUWeight=(\d+)$", (house.ROOT / "systemd/understudy.service").read_text(), re.M)
    return int(found[1]) if found else 100


class Instrument:
    """The sessions that ping, in a thread that nobody keeps waiting."""

    def __init__(self, port, context, count=20):
        self.clients = [Pinging(port, f"old-{port}-{number}", context) for number in range(count)]
        self.pings, self.failure, self.done = [], None, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        try:
            while not self.done.is_set():
                for client in self.clients:
                    self.pings.append(client.ping())
                time.sleep(0.01)
        except (OSError, house.Failure) as error:
            self.failure = error

    def take(self):
        """The pings since the last call."""
        expect(not self.failure, "an established session failed:", self.failure)
        taken, self.pings = self.pings, []
        return taken

    def stop(self):
        self.done.set()
        self.thread.join(house.PATIENCE)


def begin(program, weight, tls):
    """Starts a program; the object that ends it."""
    group = Groups.words(program, weight)
    if program == "understudy":
        balancer = house.Balancer(CONFIGURATION.replace("@", str(tls)).replace("PORT", str(PORTS[program])), own=True, before=group)
        house.wait_for(lambda: all(s["status"] == "up" for s in balancer.servers().values()), "the brokers")
        return balancer
    file = house.SCRATCH / "haproxy.cfg"
    file.write_text(HAPROXY.replace("@", str(tls)).replace("PORT", str(PORTS[program])))
    process = house.start(program, [*group, "haproxy", "-db", "-f", file], start_new_session=True)
    house.wait_for(lambda: house.is_open("127.0.0.1", PORTS[program]), program)
    return process


def figure(values, part):
    """In milliseconds."""
    return 1000 * sorted(values)[min(len(values) - 1, int(len(values) * part))]


def storm(program, weight, count, tls, context):
    """One crowd through one program; its row."""
    running = begin(program, weight, tls)
    instrument = Instrument(PORTS[program], context)
    time.sleep(1)
    calm = instrument.take()
    everybody = [(open(f"/proc/{pid}/comm").read().strip(), pid) for pid, line in house.command_lines() if line]
    sampler = Sampler(everybody, house.SCRATCH / "samples")
    crowd = subprocess.Popen(
        [*Groups.words("crowd"), house.BINARY, "bench", "storm", f"mqtts://127.0.0.1:{PORTS[program]}", "-c", str(count), "--sources", "200", "--patience",
         "240s", "--keep-alive", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    said = crowd.communicate(timeout=500)[0]
    pings = instrument.take()
    instrument.stop()
    sampler.stop()
    line = next((line for line in said.splitlines() if line.startswith("{")), "")
    expect(line, "the crowd failed:", said[-1000:])
    load = json.loads(line)
    counters = running.status()["balancer"]["counters"] if program == "understudy" else None
    if program == "understudy":
        running.stop()
    else:
        running.kill()
        running.wait()
    row = dict(
        program=program, weight=weight, clients=count, up=load["up"], back=load["count"], seconds=load["seconds"],
        opened=load["opened_seconds"], failures=load["failures"], pings=len(pings),
        back_p99=load["latency_us"].get("p99"))
    for place, which in enumerate(("seen", "kernel")):
        values = [ping[place] for ping in pings]
        row[which] = {name: round(figure(values, part), 2) for name, part in (("median", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1))}
    row["calm_longest"] = round(figure([ping[0] for ping in calm], 1), 2)
    print("row " + json.dumps(row))
    seen, took, arrived = max(pings, key=lambda ping: ping[1])
    print(f"in the {1000 * took:.1f} ms of the longest, threads ran and waited for a processor (ms): "
          + ", ".join(f"{name} {ran} {waited}" for name, (ran, waited) in sorted(sampler.between(arrived - took, arrived).items())
                      if ran or waited))
    if counters:
        print("turns: " + ", ".join(f"{name} {counters[name]}" for name in (
            "turns-crowded", "turns-crowded-long", "longest-crowded-work-us", "longest-turn-us", "handshakes-postponed",
            "accepts-postponed", "ends-postponed")))
        # The processor's time, not the clock's: whatever else runs on the machine does not count.
        expect(counters["turns-crowded"] == 0 or counters["longest-crowded-work-us"] <= 20_000,
               "a turn worked for", counters["longest-crowded-work-us"], "us while handshakes waited")
        expect(load["up"] == count and load["count"] == count, "not all are connected:", load)
    return row


def body():
    parser = argparse.ArgumentParser()
    parser.add_argument("clients", type=int, nargs="?", default=9000)
    parser.add_argument("limit", type=float, nargs="?", default=100)
    parser.add_argument("--programs", default="understudy")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    house.build_hosts({"one": ["10.77.0.1"], "two": ["10.77.0.2"], "three": ["10.77.0.3"]})
    tls = house.certificates(house.SCRATCH / "tls")
    brokers = []
    # The brokers are processes of this host for the same addresses: a cable costs nothing to the figure.
    for address in ("10.77.0.1", "10.77.0.2", "10.77.0.3"):
        house.run("ip", "route", "del", f"{address}/32")
        house.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        # A broker that costs little: what is measured is the balancer.
        before = ["chrt", "--rr", "1"] if address == "10.77.0.3" else Groups.words("brokers")
        brokers.append(house.start(f"broker-{address}", [*before, house.BINARY, "bench", "broker", f"mqtt://{address}:1883"], start_new_session=True))
    for address in ("10.77.0.1", "10.77.0.2", "10.77.0.3"):
        house.wait_for(lambda: house.is_open(address, 1883), address)
    context = house.client_context(tls)
    rows = []
    for _ in range(options.runs):
        for word in options.programs.split(","):
            program, _, weight = word.partition(":")
            weight = int(weight or (own_weight() if program == "understudy" else 100))
            rows.append(storm(program, weight, options.clients, tls, context))
    for broker in brokers:
        broker.kill()
        broker.wait()
    Groups.remove()
    print("| program | weight | came back | in | ping: median | 99% | 99.9% | longest, by the kernel's times | as its client saw it |")
    for row in rows:
        print(f"| {row['program']} | {row['weight']} | {row['back']} of {row['clients']} | {row['seconds']:.1f} s | {row['seen']['median']} ms | "
              f"{row['seen']['p99']} ms | {row['seen']['p99.9']} ms | {row['kernel']['longest']} ms | {row['seen']['longest']} ms |")
    ours = [row for row in rows if row["program"] == "understudy" and row["weight"] == own_weight()]
    longest = max([row["seen"]["longest"] for row in ours], default=0)
    expect(longest <= options.limit, f"a ping took {longest:.1f} ms, the limit is {options.limit} ms")


house.main(body)
