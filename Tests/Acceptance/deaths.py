"""How long a death is, and what sessions weigh before and after many: idle sessions on one balancer that is killed again and again.

From SIGKILL to the answer on an established session (relaying), and to the CONNACK of a new one (accepting), both asked at once.
Memory is what the balancer and its holder have for themselves and the memory that outlives them, before the sessions come, with
them, and after all deaths.

usage: deaths.py [SESSIONS [DEATHS]]     9000 and 50 when not named
"""

import json
import os
import resource
import select
import signal
import socket
import statistics
import sys
import time

import house
from crowd import answer_everybody, herd
from house import expect, memory_of, memory_parts, named

CONFIGURATION = """
user nobody
loops 2
listen plain { bind *:1884; use broker; backlog 16384 }
backend broker { server one 10.77.0.1:1883; check none; stick on client-id table sessions; timeout connack 60s; timeout connect 60s }
stick-table sessions { key client-id }
"""
# Deaths after which memory is looked at, part by part.
CHECKPOINTS = (1, 2, 5, 10, 20, 50, 100, 200)
PACKET = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x00\x00\x06"


def balancer():
    return (named(b"understudy\0balancer\0") or [None])[0]


def die(probe, number):
    """Milliseconds until an established session was answered, and until a new one had its CONNACK."""
    pid = balancer()
    fresh = socket.socket()
    poll = select.poll()
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    probe.sendall(b"\xc0\x00")
    fresh.connect(("127.0.0.1", 1884))
    fresh.sendall(PACKET + b"new%03d" % number)
    poll.register(probe, select.POLLIN)
    poll.register(fresh, select.POLLIN)
    times = {}
    while len(times) < 2:
        ready = poll.poll(20000)
        expect(ready, "death", number, "is not got over:", times)
        now = time.monotonic()
        for descriptor, _ in ready:
            which = "relay" if descriptor == probe.fileno() else "accept"
            answer = (probe if which == "relay" else fresh).recv(100)
            if not answer and which == "accept":
                # It was taken by the balancer that died then.
                poll.unregister(fresh)
                fresh.close()
                fresh = socket.socket()
                fresh.connect(("127.0.0.1", 1884))
                fresh.sendall(PACKET + b"new%03d" % number)
                poll.register(fresh, select.POLLIN)
                continue
            expect(answer, "the established session is closed at death", number)
            times.setdefault(which, (now - began) * 1000)
            poll.unregister(descriptor)
    fresh.close()
    return times["relay"], times["accept"]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    deaths = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    house.run("ip", "address", "add", "10.77.0.1/32", "dev", "lo")
    answer_everybody("10.77.0.1")
    house.wait_for(lambda: house.is_open("10.77.0.1", 1883), "the broker")
    daemon = house.Balancer(CONFIGURATION)
    before = memory_of(balancer())
    for wave, first in enumerate(range(0, count, 1000)):
        go = house.SCRATCH / f"go-{wave}"
        part = min(1000, count - first)
        pipe = herd(part, 0, 1, go, None, 1884)
        go.touch()
        up, _, _ = os.read(pipe, 100).decode().split()
        expect(int(up) == part, up, "of", part, "are connected")
    probe = house.Client(1884, "probe").socket
    time.sleep(2)
    full = memory_of(balancer())
    parts = {0: memory_parts(balancer())}
    relay, accept = [], []
    for number in range(deaths):
        one, two = die(probe, number)
        relay.append(one)
        accept.append(two)
        # Deaths in a row are another matter: this one has settled.
        time.sleep(0.7)
        if number + 1 in CHECKPOINTS:
            parts[number + 1] = memory_parts(balancer())
    time.sleep(1)
    after = memory_of(balancer())
    parts[deaths] = memory_parts(balancer())
    status = daemon.status()["balancer"]
    counters = status["counters"]
    figures = {
        "sessions": count, "deaths": deaths,
        "relay_ms": [round(statistics.median(relay), 2), round(max(relay), 2)],
        "accept_ms": [round(statistics.median(accept), 2), round(max(accept), 2)],
        "bytes_per_session": [round((full - before) / count), round((after - before) / count)],
        "inherited": counters["inherited"], "lost": counters["inherited-broken"] + counters["inherited-opaque"]}
    print(f"figures {json.dumps(figures)}")
    for death, each in parts.items():
        print(f"KiB after {death} deaths: {json.dumps({name: size // 1024 for name, size in sorted(each.items())})}")
    expect(counters["inherited"] == count + 1 and status["sessions"] == count + 1, status["sessions"], counters)
    print("ok")


house.main(main)
