"""Sessions whose TLS is OpenSSL's cannot be kept when the balancer dies: they are closed one after the other, and plain ones beside them live on."""

import signal
import os
import time

import house
from crowd import answer_everybody
from house import expect

CONFIGURATION = """
user nobody
loops 2
close-spread 3s
listen plain { bind *:1884; use broker }
listen tls { bind *:8883; use broker; tls { certificate @/combined.pem; records openssl } }
backend broker { server one 10.77.0.1:1883; check none }
"""
COUNT = 60


def main():
    folder = house.certificates(house.SCRATCH / "tls")
    context = house.client_context(folder)
    house.run("ip", "address", "add", "10.77.0.1/32", "dev", "lo")
    answer_everybody("10.77.0.1")
    house.wait_for(lambda: house.is_open("10.77.0.1", 1883), "the broker")
    daemon = house.Balancer(CONFIGURATION.replace("@", str(folder)))
    plain = house.Client(1884, "plain")
    clients = [house.Client(8883, f"tls-{n}", tls=context) for n in range(COUNT)]
    pid = daemon.pid()
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    plain.ping()
    house.wait_for(lambda: daemon.status().get("balancer"), "a successor")
    waiting = daemon.status()["balancer"]["counters"]
    expect(waiting["inherited"] == 1 and waiting["inherited-opaque"] == COUNT, waiting)
    ends = []
    for client in clients:
        client.socket.setblocking(False)
    while len(ends) < COUNT:
        expect(time.monotonic() - began < 60, len(ends), "of", COUNT, "are closed")
        for client in list(clients):
            try:
                if not client.socket.recv(1):
                    raise OSError("closed")
            except (BlockingIOError, house.ssl.SSLWantReadError):
                continue
            except OSError:
                ends.append(time.monotonic() - began)
                clients.remove(client)
        time.sleep(0.01)
    # In any tenth of the time, no more than a fifth of them.
    most = max(sum(1 for other in ends if end <= other < end + 0.3) for end in ends)
    print(f"figures: {COUNT} closed between {min(ends):.2f} s and {max(ends):.2f} s, at most {most} in 0.3 s")
    expect(max(ends) - min(ends) > 1.5, "all at one time:", ends)
    expect(most <= COUNT // 3, most, "at one time")
    house.wait_for(lambda: daemon.status()["balancer"]["counters"]["sessions-closing"] == 0, "the count of those that wait")
    expect(daemon.status()["balancer"]["sessions"] == 1, daemon.status()["balancer"]["sessions"])
    expect(daemon.status()["balancer"]["counters"]["ends"] == {"unkept": COUNT}, daemon.status()["balancer"]["counters"]["ends"])
    plain.ping()
    print("ok")


house.main(main)
