"""What survival costs: the program beside the same source built without it, in one run, with the same load and the same brokers.

The other build has no holder, and stores nothing that only a successor reads (`Mortality`). Both run at one time, each pinned to the
same core, and take turns; what counts is the processor time of the balancer for a message.

usage: survival.py [REPETITIONS [SECONDS]]     15 of 2 s when not named

`UNDERSTUDY_MORTAL_BINARY` names the other build (UNDERSTUDY_MORTAL=1 swift build -c release, in a scratch path of its own).
"""

import os
import resource
import statistics
import sys

import programs
from programs import Understudy, bench, certificate, expect, house, number, pin, start_broker, table

ROWS = [
    ("small messages, 1,000 active sessions", "mqtt", "ping -c 1000", "µs an answer"),
    ("QoS 1 of 256 bytes and PUBACK, 1,000 active", "mqtt", "ping -c 1000 --question qos1 -s 256", "µs an answer"),
    ("connect, CONNECT, CONNACK, close", "mqtt", "connect -c 50", "µs each"),
]
# What survival may cost the relay.
MOST = 1.03


class Mortal(Understudy):
    def start(self):
        ours, house.BINARY = house.BINARY, os.environ["UNDERSTUDY_MORTAL_BINARY"]
        super().start()
        house.BINARY = ours


def main():
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2
    expect("UNDERSTUDY_MORTAL_BINARY" in os.environ, "there is no build without survival to compare with")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    certificate()
    start_broker()
    running = {"survives": Understudy("survives"), "mortal": Mortal("mortal")}
    for program in running.values():
        pin(program)
    expect(len(house.named(b"understudy\0holder\0\0\0")) == 1, "one of the two has a holder, not", house.command_lines())
    lines, failures = [], []
    for meaning, scheme, words, unit in ROWS:
        costs = {name: [] for name in running}
        for repetition in range(repetitions):
            order = list(running) if repetition % 2 else list(running)[::-1]
            for name in order:
                costs[name].append(bench(running[name], scheme, words, seconds)["watched_cpu_us_each"])
        # Of two runs one behind the other, so that what else the machine does hits both.
        ratios = [ours / other for ours, other in zip(costs["survives"], costs["mortal"])]
        ratio = statistics.median(ratios)
        ours, other = (statistics.median(costs[name]) for name in ("survives", "mortal"))
        lines.append([meaning, unit, number(other), number(ours), f"**{(ratio - 1) * 100:+.1f} %**",
                      f"{(min(ratios) - 1) * 100:+.1f} … {(max(ratios) - 1) * 100:+.1f} %"])
        if words.startswith("ping") and ratio > MOST:
            failures.append(f"{meaning}: {ratio:.3f}")
    for program in running.values():
        program.stop()
    print(table(["what", "processor time", "without survival", "with", "more (median of pairs)", "least and most"], lines))
    expect(not failures, "survival costs more than it may:", failures)


if __name__ == "__main__":
    house.main(main)
