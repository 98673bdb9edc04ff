"""Does the cost of a message or a connection grow with what there is? Writes docs/growth.svg and prints its figures.

Processor time of the balancer for a ping and for a connection, at 10, 100, 1,000 and 9,000 sessions, and for a connection
at 2, 50 and 500 servers; medians over the repetitions.

usage: growth.py [--repetitions N] [--seconds S] [--write FILE.svg]
"""

import argparse
import pathlib
import resource
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
import house
import programs

SESSIONS = (10, 100, 1000, 9000)
SERVERS = (2, 50, 500)
# 500 addresses of this host, one broker behind all of them.
ADDRESSES = [f"127.1.{index // 200}.{index % 200 + 1}" for index in range(max(SERVERS))]

CONFIGURATION = """
loops 1
listen plain { bind 127.0.0.1:PORT; use brokers; backlog 16384 }
backend brokers {
    balance round-robin
    stick on client-id table sessions
    SERVERS
    check none
}
stick-table sessions { key client-id; size 100k; expire 30m }
log { level error }
"""


class Subject:
    """A balancer with so many servers."""
    def __init__(self, servers, port):
        lines = "; ".join(f"server s{i} {address}:1883" for i, address in enumerate(ADDRESSES[:servers]))
        self.balancer = house.Balancer(CONFIGURATION.replace("PORT", str(port)).replace("SERVERS", lines))
        self.port = port
        self.name = f"{servers} servers"
        self.watched = [self.balancer.pid()]
        programs.pin(self)

    def url(self, scheme):
        return f"{scheme}://127.0.0.1:{self.port}"


def cost(subject, words, repetitions, seconds):
    return statistics.median(
        programs.bench(subject, "mqtt", words, seconds)["watched_cpu_us_each"] for _ in range(repetitions))


def svg(panels):
    """Line charts side by side: (title, unit, labels, values)."""
    width, height, left, bottom, top = 330, 220, 50, 40, 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(panels)}" height="{height}" '
           'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>']
    for number, (title, unit, labels, values) in enumerate(panels):
        x0, x1 = number * width + left, (number + 1) * width - 20
        y0, y1 = height - bottom, top
        limit = max(values) * 1.25
        place = [(x0 + (x1 - x0) * (i + 0.5) / len(values), y0 - (y0 - y1) * value / limit) for i, value in enumerate(values)]
        out.append(f'<text x="{(x0 + x1) / 2}" y="20" text-anchor="middle" font-weight="bold">{title}</text>')
        out.append(f'<path d="M{x0} {y1}V{y0}H{x1}" fill="none" stroke="black"/>')
        out.append(f'<text x="{x0 - 6}" y="{y1 - 6}" text-anchor="middle">{unit}</text>')
        out.append('<polyline fill="none" stroke="#1f6feb" stroke-width="2" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in place) + '"/>')
        for (x, y), label, value in zip(place, labels, values):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#1f6feb"/>')
            out.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{value:.1f}</text>')
            out.append(f'<text x="{x:.1f}" y="{y0 + 16}" text-anchor="middle">{label}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--write")
    wanted = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    house.start("broker", ["taskset", "-c", programs.LOAD_CORE, house.BINARY, "bench", "broker", "mqtt://*:1883"],
                start_new_session=True)
    house.wait_for(lambda: house.is_open("127.0.0.1", 1883), "the broker")
    few = Subject(SERVERS[0], 2000)
    panels = []
    # Always as many ask as at the least: only what lies idle beside them grows.
    values = [cost(few, f"ping -c {n} --active 10 --keep-alive 0", wanted.repetitions, wanted.seconds) for n in SESSIONS]
    panels.append(("a ping among N sessions, 10 active", "µs", SESSIONS, values))
    values = [cost(few, f"ping -c {n} --keep-alive 0", wanted.repetitions, wanted.seconds) for n in SESSIONS]
    panels.append(("a ping, all N sessions active", "µs", SESSIONS, values))
    values = []
    for n in SESSIONS:
        # Sessions that are there while others come and go.
        idle = subprocess.Popen(
            ["taskset", "-c", programs.LOAD_CORE, house.BINARY, "bench", "hold", few.url("mqtt"), "-c", str(n), "-d", "10m",
             "--keep-alive", "0", "--client", "idle", "--json"], stdout=subprocess.DEVNULL, start_new_session=True)
        house.wait_for(lambda: few.balancer.status()["balancer"]["sessions"] >= n, f"{n} sessions")
        values.append(cost(few, "connect -c 20", wanted.repetitions, wanted.seconds))
        idle.terminate()
        idle.wait()
        house.wait_for(lambda: few.balancer.status()["balancer"]["sessions"] < 10, "the end of the sessions")
    panels.append(("a connection beside N sessions", "µs", SESSIONS, values))
    subjects = [few] + [Subject(n, 2000 + n) for n in SERVERS[1:]]
    values = [cost(subject, "connect -c 20", wanted.repetitions, wanted.seconds) for subject in subjects]
    panels.append(("a connection with N servers", "µs", SERVERS, values))
    for title, unit, labels, values in panels:
        print(f"{title}: " + ", ".join(f"{label}: {value:.1f} {unit}" for label, value in zip(labels, values)))
    if wanted.write:
        pathlib.Path(wanted.write).write_text(svg(panels))


if __name__ == "__main__":
    house.main(main)
