#!/usr/bin/env python3
"""What the virtual address does when hosts are lost, machines are busy, and files are read again; with figures.

usage: vip-proofs.py BINARY race [--runs N] [--intervals 1000,100,50,10]
       vip-proofs.py BINARY false-failovers [--seconds N]
       vip-proofs.py BINARY reloads [--count N] [--rate PER-SECOND]

race             a pair of ours and a pair of Debian's keepalived, in turn on the same machine: the active host's cable is
                 pulled, then the active router is asked to leave; time until a TCP connection through the address
                 succeeds again
false-failovers  adverts every 100 ms, both cores kept busy, every process of a host stopped for up to 250 ms again and
                 again: nobody may move
reloads          the file changes and is read again, many times a second: nobody may move, and no advert may be missing

Each prints its figures, one line each, and one line of JSON. Exit status: 0 what is demanded was so; 1 not; 2 cannot run
here.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from network import Surprise, run  # noqa: E402
from pair import Pair  # noqa: E402
from race import race  # noqa: E402


def keep_busy(pair):
    """Two programs for each core that do nothing but compute."""
    for _ in range(2 * (os.cpu_count() or 1)):
        pair.busy.append(subprocess.Popen(
            ["sh", "-c", "while :; do :; done"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True))


def false_failovers(options, directory):
    pair = Pair(directory, "understudy", options.binary, 100)
    generator = random.Random(options.seed)
    complaints = []
    try:
        pair.build()
        pair.start_all()
        keep_busy(pair)
        # This program must go on again on time what it has stopped: on a busy machine it would pause twice as long as it says.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
        began = time.monotonic()
        before = {host.name: pair.router(host)["counters"]["became_active"] for host in pair.hosts}
        pauses, longest, too_long = 0, 0.0, 0
        while time.monotonic() - began < options.seconds:
            time.sleep(generator.uniform(0.2, 0.9))
            host = generator.choice(pair.hosts)
            pids = [int(word) for word in run("ip", "netns", "pids", host.namespace).split()]
            pause = generator.uniform(0.02, options.pause / 1000)
            stopped = time.monotonic()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            # What stopping itself took counts as well.
            time.sleep(max(0, stopped + pause - time.monotonic()))
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            lasted = time.monotonic() - stopped
            pauses, longest, too_long = pauses + 1, max(longest, lasted), too_long + (lasted > (options.pause + 20) / 1000)
        time.sleep(1)
        moved = pair.changes(began)
        after = {host.name: pair.router(host)["counters"]["became_active"] for host in pair.hosts}
        late = {host.name: pair.ask(host, {"command": "status"})["vip"].get("scheduling") for host in pair.hosts}
        print(f"false failovers: {time.monotonic() - began:.0f} s, {pauses} pauses of up to {longest * 1000:.0f} ms, {too_long} of "
              f"them longer than meant: "
              f"{moved} changes of the address, became active {before} -> {after}")
        print(f"scheduling: {late}")
        print(json.dumps({"proof": "false-failovers", "seconds": round(time.monotonic() - began), "pauses": pauses,
                          "longest_pause_ms": round(longest * 1000), "changes": moved, "load": os.getloadavg()[0]}))
        if moved or before != after:
            complaints.append(f"the address moved {moved} times")
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        pair.remove()
    return complaints


def reloads(options, directory):
    pair = Pair(directory, "understudy", options.binary, 100)
    complaints = []
    try:
        pair.build()
        pair.start_all()
        active = pair.holders()[0]
        path = f"{pair.directory}/adverts.pcap"
        pair.capture = subprocess.Popen(
            ["ip", "netns", "exec", pair.switch, "tcpdump", "-i", active.name, "-Q", "in", "-U", "-n", "-Z", "root", "-w", path,
             "ip proto 112"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pair.wait(lambda: os.path.exists(path) and os.path.getsize(path) > 24, "no advert is seen")
        before = {host.name: pair.router(host)["counters"]["became_active"] for host in pair.hosts}
        began = time.monotonic()
        for number in range(options.count):
            words = [f"address 10.9.0.{20 + number % 7}/24" if number % 2 else "",
                     f"priority lb1 {140 + number % 9}", "down-timer-adverts 4" if number % 5 == 2 else "",
                     "track interface lo" if number % 7 == 4 else ""]
            pair.write("understudy.conf.new", pair.our_file("\n    ".join(word for word in words if word)))
            os.replace(f"{pair.directory}/understudy.conf.new", f"{pair.directory}/understudy.conf")
            for host in pair.hosts:
                pair.ask(host, {"command": "reload"})
            time.sleep(max(0, began + (number + 1) / options.rate - time.monotonic()))
        took = time.monotonic() - began
        time.sleep(1)
        moved = sum(1 for host in pair.hosts for at, _ in host.changes if at >= began)
        after = {host.name: pair.router(host)["counters"]["became_active"] for host in pair.hosts}
        pair.capture.terminate()
        pair.capture.wait()
        pair.capture = None
        text = run("tcpdump", "-n", "-tt", "-r", path)
        times = [float(found) for found in re.findall(r"^(\d+\.\d+) IP ", text, re.M)]
        gaps = sorted((b - a) * 1000 for a, b in zip(times, times[1:]))
        late = max(pair.ask(host, {"command": "status"})["vip"].get("scheduling", {}).get("delay_worst_us", 0)
                   for host in pair.hosts) / 1000
        print(f"reloads: {options.count} of each host in {took:.0f} s ({options.count / took:.1f}/s): {moved} changes of the "
              f"address, {len(times)} adverts, longest gap {gaps[-1]:.0f} ms, median {statistics.median(gaps):.0f} ms, "
              f"scheduling delay at worst {late:.0f} ms")
        print(json.dumps({"proof": "reloads", "count": options.count, "seconds": round(took, 1), "changes": moved,
                          "adverts": len(times), "longest_gap_ms": round(gaps[-1], 1), "worst_delay_ms": round(late, 1),
                          "load": os.getloadavg()[0]}))
        if moved or before != after:
            complaints.append(f"the address moved {moved} times")
        # One and a half intervals; what the machine withheld from vip is told by vip itself.
        if gaps[-1] > 150 + late:
            complaints.append(f"no advert for {gaps[-1]:.0f} ms")
    finally:
        pair.remove()
    return complaints


PROOFS = {"race": race, "false-failovers": false_failovers, "reloads": reloads}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("proof", choices=PROOFS)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--intervals", default="1000,100,50,10")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pause", type=float, default=250, help="longest pause, in milliseconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    missing = [program for program in ("ip", "tcpdump", "keepalived") if shutil.which(program) is None]
    if os.geteuid() != 0 or missing:
        print("needs root" if os.geteuid() != 0 else f"needs {', '.join(missing)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="understudy-proofs-")
    os.chmod(directory, 0o755)
    try:
        complaints = PROOFS[options.proof](options, directory)
    except Surprise as error:
        complaints = [str(error)]
    for complaint in complaints:
        print(complaint)
    if complaints or options.keep:
        print(f"logs: {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
