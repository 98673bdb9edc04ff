"""The balancer beside haproxy and nginx, in one run, with the same load and the same brokers.

All programs run at one time, each on one core, the generator and the test broker (`understudy bench`) on the other; the
programs take turns within each repetition, so that whatever else the machine does hits all of them. What counts is the
processor time of the proxy for a unit of work: it stays the same on a machine that is busy. The tables hold medians.

usage: bench.py [--quick] [--repetitions N] [--seconds S] [--rows NAME,…] [--programs NAME,…] [--json FILE] [--write FILE]
    --quick     3 repetitions of 1 s (a few minutes); otherwise 7 of 3 s
    --rows      some of the rows below, `memory`, `two-loops`, `failover` (bench.py: ROWS)
    --write     puts the tables between the marks of a document: docs/benchmarks.md
"""

import argparse
import datetime
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys

import programs
from programs import RSA, Understudy, bench, certificate, expect, house, number, pin, start_broker, table

PLAIN = ("direct", "nginx", "haproxy", "understudy")

# Name, what it is in words, scheme, words of `understudy bench`, figure, unit, programs, what is demanded of the ratio to
# haproxy (at least, aim). No row may be behind nginx.
ROWS = [
    ("ping-1000", "small messages, 1,000 active sessions", "mqtt", "ping -c 1000", "cpu", "µs an answer", PLAIN, (1.25, 1.4)),
    ("ping-50", "50 active of 1,000", "mqtt", "ping -c 1000 --active 50", "cpu", "µs an answer", PLAIN, None),
    ("ping-1", "1 active", "mqtt", "ping -c 1", "cpu", "µs an answer", PLAIN, None),
    ("qos1-1000", "QoS 1 of 256 bytes and PUBACK, 1,000 active", "mqtt", "ping -c 1000 --question qos1 -s 256", "cpu",
     "µs an answer", PLAIN, None),
    ("publish", "bulk, 4 sessions, messages of 64 KiB", "mqtt", "publish -c 4 -s 65536", "gigabyte", "s a GB",
     ("direct", "nginx", "haproxy", "haproxy-64k", "haproxy-splice", "understudy"), (2.5, 4)),
    ("connect", "connect, CONNECT, CONNACK, close", "mqtt", "connect -c 50", "cpu", "µs each", PLAIN, (1.15, 1.3)),
    ("tls13-full", "TLS 1.3, full handshake, CONNECT, CONNACK, close", "mqtts", "connect -c 20", "cpu", "µs each",
     PLAIN, (1.0, 1.1)),
    ("tls13-resumed", "TLS 1.3, resumed", "mqtts", "connect -c 20 --resume", "cpu", "µs each", PLAIN, (1.0, 1.1)),
    ("tls12-resumed", "TLS 1.2, resumed", "mqtts", "connect -c 20 --resume --tls 1.2", "cpu", "µs each", PLAIN, (1.0, 1.1)),
    ("tls-ping-1000", "TLS 1.3, small messages, 1,000 active", "mqtts", "ping -c 1000 --under-way 64", "cpu",
     "µs an answer", PLAIN, (1.3, 1.5)),
    ("ws-ping-1000", "WebSocket, small messages, 1,000 active (haproxy and nginx: opaque)", "ws", "ping -c 1000", "cpu",
     "µs an answer", PLAIN, (0.7, 1.0)),
]
# What is demanded beside other peers than haproxy as it is by default: row and peer.
DEMANDS = {("publish", "haproxy-splice"): (1.0, 1.2), ("publish", "haproxy-64k"): None}
# What is demanded of the times at the 50th and the 99th percentile, peer ÷ ours.
LATENCIES = {"ping-1": (1.1, 1.0), "ping-50": (1.1, 1.0)}
MEMORY = [
    ("idle", "plain", "mqtt", "hold -c 9000 --keep-alive 0", "400 B (aim 200)"),
    ("idle-tls", "TLS 1.3", "mqtts", "hold -c 9000 --keep-alive 0 --under-way 64", "1 KB (aim 500)"),
]


def median(found, key):
    values = [one[key] for one in found if one.get(key) is not None]
    return statistics.median(values) if values else None


def measure(rows, names, repetitions, seconds):
    """Row → program → what the generator found, in each repetition; then the tables' text."""
    running = {name: programs.PROGRAMS[name](name) for name in names}
    for program in running.values():
        pin(program)
    found = {}
    for repetition in range(repetitions):
        for row, meaning, scheme, words, *_, takers, _ in rows:
            # Every program is first, last and in the middle now and then.
            order = [name for name in takers if name in running]
            order = order[repetition % len(order):] + order[: repetition % len(order)]
            for name in order:
                one = bench(running[name], scheme, words, seconds)
                found.setdefault(row, {}).setdefault(name, []).append(one)
        print(f"repetition {repetition + 1} of {repetitions} with {programs.LOOPS} loop(s)", file=sys.stderr)
    for program in running.values():
        program.stop()
    return found


def cost_tables(rows, found):
    keys = {"cpu": "watched_cpu_us_each", "gigabyte": "watched_cpu_s_per_gb"}
    lines, more = [], []
    for row, meaning, scheme, words, figure, unit, takers, demand in rows:
        if row not in found:
            continue
        costs = {name: median(found[row][name], keys[figure]) for name in found[row] if name != "direct"}
        ours = costs.get("understudy")
        for name, cost in costs.items():
            if name in ("understudy",) or not ours:
                continue
            asked = DEMANDS.get((row, name), demand if name == "haproxy" else (1.0,) if name == "nginx" else None)
            wanted = "" if not asked else f"{asked[0]}" + (f" (aim {asked[1]})" if asked[1:] else "")
            lines.append([meaning, unit, name, number(cost), number(ours), f"**{cost / ours:.2f}**", wanted])
        for name in found[row]:
            one = found[row][name]
            rate = median([{"v": o["bytes"] / o["seconds"] / 1e6} for o in one], "v") if figure == "gigabyte" else median(one, "rate")
            more.append([
                meaning, name, number(rate) + (" MB/s" if figure == "gigabyte" else "/s"),
                number(median([o["latency_us"] for o in one], "p50")), number(median([o["latency_us"] for o in one], "p99")),
                number(median(one, "own_cpu_us_each"))])
    text = table(["what", "processor time", "peer", "peer's", "Understudy's", "peer ÷ ours", "at least"], lines)
    text += "\n" + table(["what", "through", "rate", "p50 µs", "p99 µs", "generator's own µs"], more)
    return text + latency_table(rows, found)


def latency_table(rows, found):
    """How long an answer takes, beside haproxy and nginx."""
    lines = []
    for row, meaning, *_ in rows:
        if row not in LATENCIES or row not in found or "understudy" not in found[row]:
            continue
        for name in found[row]:
            if name in ("understudy", "direct"):
                continue
            for percentile, wanted in zip(("p50", "p99"), LATENCIES[row]):
                theirs, ours = (median([o["latency_us"] for o in found[row][n]], percentile) for n in (name, "understudy"))
                lines.append([f"{meaning}, {percentile}", name, number(theirs), number(ours), f"**{theirs / ours:.2f}**",
                              f"{wanted}" if name == "haproxy" else ""])
    return "\n" + table(["latency", "peer", "peer's µs", "Understudy's µs", "peer ÷ ours", "at least"], lines) if lines else ""


def memory(names):
    """Bytes for each idle session, in fresh processes, one after the other."""
    lines = []
    for row, meaning, scheme, words, wanted in MEMORY:
        for name in names:
            if name not in ("nginx", "haproxy", "understudy", "direct"):
                continue
            program = programs.PROGRAMS[name](name)
            one = bench(program, scheme, words, 0.1)
            lines.append([meaning, name, number(one["memory_each"]) if program.watched else "",
                          wanted if name == "understudy" else "", number(one["kernel_each"])])
            program.stop()
    return table(["idle session", "through", "bytes of the proxy's own", "at most", "bytes of the kernel's objects, broker and client inside"], lines)


def scaling(repetitions, seconds):
    """One loop and two: how much more gets through."""
    scenarios = [(f"TLS 1.3, full handshake, RSA of {programs.RSA_BITS:,} bits, CONNECT, CONNACK, close", RSA, "mqtts", "connect -c 20"),
                 ("small messages, 1,000 active sessions", Understudy, "mqtt", "ping -c 1000")]
    lines = []
    for meaning, kind, scheme, words in scenarios:
        running = {}
        for count in (1, 2):
            programs.LOOPS = count
            running[count] = kind(f"understudy-{count}")
            pin(running[count])
        found = {1: [], 2: []}
        for repetition in range(repetitions):
            for count in (1, 2) if repetition % 2 == 0 else (2, 1):
                found[count].append(bench(running[count], scheme, words, seconds))
        rate, cost = ({count: median(found[count], key) for count in found} for key in ("rate", "watched_cpu_us_each"))
        lines.append([meaning, number(rate[1]) + "/s", number(rate[2]) + "/s", f"**{rate[2] / rate[1]:.2f}**",
                      "1.6 (aim 1.8)" if kind is RSA else "", number(cost[1]), number(cost[2]),
                      number(median(found[2], "own_cpu_us_each"))])
        for program in running.values():
            program.stop()
    programs.LOOPS = 1
    return table(["what", "one loop", "two loops", "two ÷ one", "at least", "µs of one loop's each", "µs of two loops' each",
                  "generator's own µs"], lines)


def failover(repetitions):
    """The virtual address beside keepalived's (Tests/Interop/vip-proofs.py race), adverts every 100 ms. haproxy behind
    keepalived is as late as its keepalived."""
    script = house.ROOT / "Tests/Interop/vip-proofs.py"
    # It makes its own hosts; longer than any of its runs.
    done = subprocess.run([sys.executable, script, house.BINARY, "race", "--runs", str(repetitions), "--intervals", "100"],
                          capture_output=True, text=True, timeout=240 + 30 * repetitions)
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    expect(figures, "the race ended with", done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    words = {"lost": "host lost: until a connection succeeds", "announced": "host lost: announced after the down interval",
             "asked": "asked to leave: longest time between two connections", "asked_wire": "asked to leave: announced after the farewell"}
    found = {}
    for one in figures[-1]["figures"]:
        found.setdefault(one["figure"], {})[one["program"]] = one
    lines = [[words[key], number(both["keepalived"]["median_ms"]), number(both["understudy"]["median_ms"]),
              f"**{both['keepalived']['median_ms'] / both['understudy']['median_ms']:.2f}**"] for key, both in found.items()]
    return table(["the active host goes, adverts every 100 ms", "keepalived's ms", "Understudy's ms", "keepalived's ÷ ours"], lines)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    haproxy = house.run("haproxy", "-v").split()[2]
    nginx = house.run("nginx", "-v").split("/")[-1].strip()
    ssl = house.run("openssl", "version").split()[1]
    return (f"{model}, {os.cpu_count()} cores, Linux {os.uname().release}; haproxy {haproxy}, nginx {nginx}, OpenSSL {ssl}; "
            f"load average at the end {os.getloadavg()[0]:.1f}; {datetime.date.today()}.")


def write(path, text):
    begin, end = "<!-- figures -->\n", "<!-- end of figures -->\n"
    old = path.read_text()
    path.write_text(old[: old.index(begin) + len(begin)] + "\n" + text + "\n" + old[old.index(end):])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rows")
    parser.add_argument("--programs")
    parser.add_argument("--json")
    parser.add_argument("--write")
    wanted = parser.parse_args()
    repetitions = wanted.repetitions or (3 if wanted.quick else 7)
    seconds = wanted.seconds or (1.0 if wanted.quick else 3.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    names = wanted.programs.split(",") if wanted.programs else list(programs.PROGRAMS)
    for program, names_of in [("haproxy", ("haproxy", "haproxy-64k", "haproxy-splice")), ("nginx", ("nginx",))]:
        if not shutil.which(program):
            print(f"NOT MEASURED: {program} is not installed", file=sys.stderr)
            names = [name for name in names if name not in names_of]
    rows = [row for row in ROWS if not wanted.rows or row[0] in wanted.rows.split(",")]
    unknown = set((wanted.rows or "memory").split(",")) - {row[0] for row in ROWS} - {"memory", "two-loops", "failover"}
    expect(not unknown, "there is no row", *unknown)

    certificate()
    start_broker()

    parts = wanted.rows.split(",") if wanted.rows else [row[0] for row in ROWS] + ["memory", "two-loops", "failover"]
    text = ""
    everything = {}
    if rows:
        found = everything["one loop"] = measure(rows, names, repetitions, seconds)
        text += "### One loop\n\n" + cost_tables(rows, found)
    if "memory" in parts:
        text += "\n### Memory\n\n" + memory(names)
    if "two-loops" in parts:
        text += "\n### One loop and two\n\n" + scaling(repetitions, seconds)
        programs.LOOPS = 2
        two = [row for row in ROWS if row[0] in ("ping-1000", "connect")]
        found = everything["two loops"] = measure(two, names, repetitions, seconds)
        text += "\n### Two loops, on both cores, shared with generator and broker\n\n" + cost_tables(two, found)
    if "failover" in parts:
        text += "\n### Failover\n\n" + failover(repetitions)
    text = f"{machine()} {repetitions} repetitions of {seconds:g} s, medians.\n\n" + text
    print(text)
    if wanted.json:
        pathlib.Path(wanted.json).write_text(json.dumps(everything))
    if wanted.write:
        write(pathlib.Path(wanted.write), text)


if __name__ == "__main__":
    house.main(main)
