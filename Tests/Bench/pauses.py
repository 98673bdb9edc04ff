"""How long a loop's turns get with thousands of sessions, while something happens to all of them.

For each event a fresh balancer with one loop and that many sessions, which came slowly; beside them one session pings without
a pause (`understudy bench ping -c 1`). The loop has a core of its own (real-time priority there, so that no stranger's process
is in its turns), everything else shares the other one: its turns are as long as its work, and as what it waits for other threads.
Told are the loop's longest turn before and after the event, in microseconds, how long the machine's host took the loop's core
away meanwhile (steal), and the ping's times while the event went on, which have the broker's and the generator's in them.

usage: pauses.py [--sessions N] [--events NAME,…] [--bound MICROSECONDS]
    --bound     an event whose longest turn is longer fails (0: none does)
"""

import argparse
import json
import os
import pathlib
import resource
import socket
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
import house
import programs
from house import expect

CONFIGURATION = """
loops 1
PAIR
listen plain { bind 127.0.0.1:PORT; use brokers; backlog 16384 }
MORE
backend brokers {
    balance BALANCE
    stick on client-id table sessions
    server one 127.0.1.1:1883 weight WEIGHT; server two 127.0.1.2:1883
    SERVER
    check mqtt every INTERVAL
    timeout connect CONNECT
}
stick-table sessions { key client-id; size 200k; expire EXPIRE; REPLICATE }
status { bind 127.0.0.1:STATUS }
log { level LEVEL }
"""
FIRST = dict(PAIR="", MORE="", BALANCE="round-robin", WEIGHT="1", SERVER="", INTERVAL="2s", CONNECT="3s", EXPIRE="30m",
             REPLICATE="", LEVEL="error")
# Everything that can change changes.
OTHER = dict(FIRST, MORE="listen more { bind 127.0.0.1:PORTX; use brokers; limit connections 100 }", BALANCE="least-connections",
             WEIGHT="3", SERVER="; ".join(f"server s{i} 127.0.3.{i}:1883 backup" for i in range(1, 101)), INTERVAL="1s",
             CONNECT="2s", EXPIRE="20m", LEVEL="warning")


class Subject:
    """A balancer that holds many sessions, and a session that pings."""
    port = 3000

    def __init__(self, sessions, keep_alive=0, own=False, node=None, **words):
        Subject.port += 10
        self.port, self.words = Subject.port, dict(FIRST, **words)
        self.sessions = sessions
        self.balancer = house.Balancer(self.text(self.words), node=node)
        tasks = pathlib.Path(f"/proc/{self.balancer.pid()}/task")
        loop, = [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text().startswith("loop")]
        os.sched_setaffinity(loop, {int(programs.PROXY_CORE)})
        os.sched_setscheduler(loop, os.SCHED_FIFO, os.sched_param(1))
        self.loop = loop
        self.generator, self.own = None, []
        if own:
            self.own = crowd(self.port, sessions, keep_alive)
        elif sessions:
            self.generator = subprocess.Popen(
                [house.BINARY, "bench", "hold", f"mqtt://127.0.0.1:{self.port}", "-c",
                 str(sessions), "-d", "10m", "--keep-alive", "0", "--under-way", "8", "--json"],
                stdout=subprocess.DEVNULL, start_new_session=True)
        house.wait_for(lambda: self.live() >= sessions, f"{sessions} sessions")
        time.sleep(0.3)

    def ping(self):
        """Begins to ping."""
        self.pings = subprocess.Popen(
            [house.BINARY, "bench", "ping", f"mqtt://127.0.0.1:{self.port}", "-c", "1", "-d", "10m", "--warm-up", "100ms",
             "--client", "pinging", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        house.wait_for(lambda: self.live() > self.sessions, "the pinging session")
        time.sleep(0.3)

    def pinged(self):
        """Ends the pings; their times in microseconds."""
        self.pings.send_signal(signal.SIGINT)
        found = json.loads(self.pings.communicate(timeout=house.PATIENCE)[0])
        expect(not found["lost"], "the pinging session was lost")
        return found["latency_us"]

    def text(self, words):
        text = CONFIGURATION
        for key, value in words.items():
            text = text.replace(key, value)
        return text.replace("PORTX", str(self.port + 2)).replace("PORT", str(self.port)).replace("STATUS", str(self.port + 1))

    def counters(self):
        return self.balancer.status()["balancer"]["counters"]

    def live(self):
        return self.balancer.status()["balancer"]["sessions"]

    def longest(self):
        return self.counters()["longest-turn-us"]

    def reload(self, words):
        self.balancer.file.write_text(self.text(words) + f"\nadmin {{ socket {self.balancer.socket} }}\n")
        self.balancer.tell("reload")

    def page(self, path):
        with socket.create_connection(("127.0.0.1", self.port + 1), timeout=house.PATIENCE) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            size = 0
            while piece := stream.recv(1 << 16):
                size += len(piece)
        expect(size > 500, path, "is", size, "bytes")

    def stop(self):
        if self.generator:
            self.generator.kill()
            self.generator.wait()
        for one in self.own:
            one.close()
        self.balancer.process.kill()
        self.balancer.process.wait()


def crowd(port, count, keep_alive):
    """Sessions of this script, which say nothing unless told to."""
    packet = b"\x00\x04MQTT\x04\x02" + struct.pack(">H", keep_alive)
    clients = []
    for number in range(count):
        name = f"silent-{number}".encode()
        body = packet + struct.pack(">H", len(name)) + name
        one = socket.create_connection(("127.0.0.1", port), timeout=house.PATIENCE)
        one.sendall(b"\x10" + house.length(len(body)) + body)
        clients.append(one)
        if number >= 8:
            expect(clients[number - 8].recv(4)[:1] == b"\x20", "no CONNACK")
    for one in clients[-8:]:
        expect(one.recv(4)[:1] == b"\x20", "no CONNACK")
    return clients


def stolen():
    """Milliseconds that the machine's host took from the loop's core since it was started."""
    for line in open("/proc/stat"):
        if line.startswith(f"cpu{programs.PROXY_CORE} "):
            return int(line.split()[8]) * 1000 // os.sysconf("SC_CLK_TCK")
    raise house.Failure("no such core")


# The events: each gets a subject, and returns when it is over.

def nothing(subject):
    time.sleep(2)


def expiry(subject):
    """Every session's time is over at one moment: all ping, then none does."""
    for one in subject.own:
        one.sendall(b"\xc0\x00")
    house.wait_for(lambda: subject.live() <= 1, "the end of the silent sessions")
    expect(subject.balancer.status()["balancer"]["sessions"] == 1, "the pinging session is gone too")


def reload(subject):
    for turn in range(6):
        subject.reload(OTHER if turn % 2 == 0 else FIRST)


def status(subject):
    for _ in range(30):
        subject.balancer.status()


def clients(subject):
    for _ in range(4):
        expect(len(subject.balancer.clients()) >= subject.sessions, "not everybody is told of")


def table(subject):
    for _ in range(4):
        lines = subject.balancer.ask("table", "sessions").count("\n")
        expect(lines >= subject.sessions, "the table has", lines, "lines")


def metrics(subject):
    for _ in range(100):
        subject.page("/metrics")
        subject.page("/")


def shed(subject):
    """An operator takes a server away: its sessions are closed."""
    place = subject.balancer.ask("table", "sessions", "--key", "pinging-0")
    subject.balancer.tell("drain", "two" if '"one"' in place else "one", "--rate", "100000/s")
    time.sleep(3)


def resync(subject):
    """A peer that has nothing comes and fetches the table."""
    peer = house.Balancer(subject.text(subject.words).replace(f":{subject.port}", f":{subject.port + 4}").replace(
        f":{subject.port + 1}", f":{subject.port + 5}"), node="second")
    house.wait_for(lambda: sum(t["entries"] for t in peer.status()["balancer"]["tables"]) >= subject.sessions, "the entries")
    peer.process.kill()
    peer.process.wait()


EVENTS = {one.__name__: one for one in (nothing, expiry, reload, status, clients, table, metrics, shed, resync)}


def secret():
    """What two nodes share, in the configuration's words."""
    file = house.SCRATCH / "pair.key"
    if not file.exists():
        house.run(house.BINARY, "keygen", file)
    return (f"node first {{ address 127.0.0.11 }}\nnode second {{ address 127.0.0.12 }}\n"
            f"pair {{ secret {file}; port 7946 }}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=9000)
    parser.add_argument("--events", default=",".join(EVENTS))
    parser.add_argument("--bound", type=int, default=0)
    wanted = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # For everything that is started here, until it is told otherwise.
    os.sched_setaffinity(0, {int(programs.LOAD_CORE)})
    programs.certificate()
    programs.start_broker()
    lines, failed = [], []
    for name in wanted.events.split(","):
        event, steal = EVENTS[name], stolen()
        if event is expiry:
            subject = Subject(wanted.sessions, keep_alive=12, own=True)
        elif event is resync:
            subject = Subject(wanted.sessions, node="first", PAIR=secret(), REPLICATE="replicate")
        else:
            subject = Subject(wanted.sessions)
        before = subject.longest()
        subject.ping()
        event(subject)
        after, pings = subject.longest(), subject.pinged()
        line = [name, str(before), str(after), str(stolen() - steal), *(programs.number(pings[key]) for key in ("p50", "p99", "max"))]
        print(*line, flush=True)
        lines.append(line)
        if wanted.bound and after > wanted.bound:
            failed.append(name)
        subject.stop()
    print(programs.table(["event", "longest turn before, µs", "after, µs", "steal, ms", "ping p50, µs", "p99", "longest"], lines))
    expect(not failed, "turns longer than", wanted.bound, "µs:", failed)


if __name__ == "__main__":
    house.main(main)
