"""Mixed load for a long time: memory and descriptors stay, and no counter drifts.

Sessions that ask, sessions that publish, connections that come and go, over TCP, TLS and WebSocket. Each minute, and at the
end when everybody has left: memory (Pss) and descriptors of the balancer, and accepted = closed + live.

usage: soak.py [MINUTES]     20 when not named
"""

import os
import pathlib
import resource
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
import house
import programs
from house import expect

LOADS = [
    ("mqtt", "ping -c 500 --question qos1"), ("mqtt", "connect -c 10"), ("mqtt", "publish -c 2 -s 1024"),
    ("mqtts", "ping -c 100"), ("mqtts", "connect -c 4"), ("ws", "ping -c 100"), ("ws", "connect -c 4"),
]


def memory(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    programs.certificate()
    programs.start_broker()
    subject = programs.Understudy("understudy")
    pid = subject.watched[0]

    def counts():
        """Accepted, closed and live, read until they belong together: a session may end between two of them."""
        status = subject.balancer.status()["balancer"]
        return status["counters"]["accepted"], status["counters"]["closed"], status["sessions"]

    def rest():
        house.wait_for(lambda: counts()[2] == 0, "the end of all sessions")
        return memory(pid), len(os.listdir(f"/proc/{pid}/fd"))

    def load(seconds):
        running = [
            subprocess.Popen(
                [house.BINARY, "bench", words.split()[0], subject.url(scheme), *words.split()[1:], "-d", f"{int(seconds)}s",
                 "--client", f"soak-{number}", "--json"], stdout=subprocess.DEVNULL, start_new_session=True)
            for number, (scheme, words) in enumerate(LOADS)]
        return running

    for process in load(10):
        expect(process.wait() == 0, "the load lost sessions")
    first_memory, first_descriptors = rest()
    print(f"warm: {first_memory / 2**20:.1f} MiB, {first_descriptors} descriptors")
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        for process in load(min(60, max(5, end - time.monotonic()))):
            expect(process.wait() == 0, "the load lost sessions")
        now_memory, now_descriptors = rest()
        accepted, closed, live = counts()
        print(f"{now_memory / 2**20:.1f} MiB, {now_descriptors} descriptors, accepted {accepted} = closed {closed} + live {live}")
        expect(accepted == closed + live, "a counter drifts")
        expect(now_descriptors <= first_descriptors + 8, "descriptors grow")
        expect(now_memory <= first_memory * 1.1 + (4 << 20), "memory grows")
    print(f"ok {minutes:g} minutes")


if __name__ == "__main__":
    house.main(main)
