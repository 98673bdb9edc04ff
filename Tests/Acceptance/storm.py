"""Many TLS clients reconnect at once while others have a session: how long do the others' pings take?

usage: storm.py [CLIENTS] [LIMIT-MS]     9000 and 100 when not named; fails when a ping took longer
"""

import os
import resource
import sys
import threading
import time

import house
from crowd import herd
from house import expect

CONFIGURATION = """
listen tls { bind *:8883; backlog 16384; use broker; tls { certificate @/combined.pem; timeout handshake 120s } }
backend broker { server one 10.77.0.1:1883; server two 10.77.0.2:1883; check tcp every 1s; timeout connack 60s
                 timeout connect 60s }
loops auto
"""


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
    established = [house.Client(8883, f"old-{number}", tls=context) for number in range(20)]
    go = house.SCRATCH / "go"
    parts = 2
    pipes = [herd(count, part, parts, go, tls) for part in range(parts)]

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
    pings.sort()
    figure = lambda values, part: 1000 * sorted(values)[min(len(values) - 1, int(len(values) * part))]
    print(f"{count} clients: {up} up, {failed} failed, after {took:.1f} s, {up / took:.0f} handshakes a second")
    print(f"pings before: median {figure(calm, 0.5):.2f} ms, 99% {figure(calm, 0.99):.2f} ms, longest {figure(calm, 1):.2f} ms")
    print(f"pings during: median {figure(pings, 0.5):.2f} ms, 99% {figure(pings, 0.99):.2f} ms, longest {figure(pings, 1):.2f} ms ({len(pings)})")
    counters = balancer.status()["balancer"]["counters"]
    print(f"longest turn before: {before} us")
    print("turns: " + ", ".join(f"{name} {counters[name]}" for name in (
        "turns-crowded", "turns-crowded-long", "longest-crowded-work-us", "longest-turn-us", "handshakes-postponed",
        "accepts-postponed")))
    # The processor's time, not the clock's: whatever else runs on the machine does not count.
    expect(counters["turns-crowded"] == 0 or counters["longest-crowded-work-us"] <= 20_000,
           "a turn worked for", counters["longest-crowded-work-us"], "us while handshakes waited")
    expect(up == count, f"{count - up} clients are not connected")
    expect(figure(pings, 1) <= limit, f"a ping took {figure(pings, 1):.1f} ms, the limit is {limit} ms")


house.main(body)
