"""Instructions in user space and allocations for a relayed round trip, counted by valgrind: the same on any machine.

The loop alone (`understudy bench relay`) runs twice, for a short and a long time, with the same sessions; what the longer
run did more, divided by the answers it relayed more, is what one costs: two messages, one each way.

usage: instructions.py
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
import house
from house import expect

# What is demanded. It costs 354 (docs/benchmarks.md); how many messages come in one turn of the loop varies.
MOST_INSTRUCTIONS = 400
# What is left of a turn's own work when nothing is allocated: far below one for a message.
MOST_ALLOCATIONS = 0.001
SESSIONS = 10
RUNS = (1.0, 6.0)


def run(tool, seconds, port, pattern):
    """What valgrind counted, and the answers that were relayed meanwhile."""
    log = house.SCRATCH / f"{tool}-{port}.log"
    program = house.start(
        f"relay-{port}", ["valgrind", f"--tool={tool}", f"--log-file={log}", "--run-libc-freeres=no"]
        + (["--callgrind-out-file=/dev/null"] if tool == "callgrind" else [])
        + [house.SCRATCH / "understudy", "bench", "relay", f"127.0.0.1:{port}", "127.0.0.1:1883"])
    house.wait_for(lambda: house.is_open("127.0.0.1", port), "the loop under valgrind")
    done = subprocess.run(
        [house.BINARY, "bench", "ping", f"mqtt://127.0.0.1:{port}", "-c", str(SESSIONS), "-d", f"{seconds}s".replace(".0", ""),
         "--warm-up", "0ms", "--json"], capture_output=True, text=True, timeout=house.PATIENCE * 2)
    found = json.loads(done.stdout)
    expect(found["up"] == SESSIONS and not found["lost"], "sessions:", found, house.log_of(f"relay-{port}"))
    program.terminate()
    program.wait(house.PATIENCE)
    text = log.read_text()
    match = re.search(pattern, text)
    expect(match, "valgrind says nothing:", text[-1000:])
    return int(match.group(1).replace(",", "")), found["count"]


def slope(tool, port, pattern):
    few, few_answers = run(tool, RUNS[0], port, pattern)
    many, many_answers = run(tool, RUNS[1], port + 1, pattern)
    answers = many_answers - few_answers
    expect(answers > 1000, "too few answers:", few_answers, many_answers)
    return (many - few) / answers, answers


def main():
    expect(shutil.which("valgrind"), "valgrind is not installed")
    # Without what valgrind cannot read.
    house.run("strip", "-o", house.SCRATCH / "understudy", house.BINARY)
    house.start("broker", [house.BINARY, "bench", "broker", "mqtt://127.0.0.1:1883"])
    house.wait_for(lambda: house.is_open("127.0.0.1", 1883), "the broker")
    instructions, answers = slope("callgrind", 2100, r"Collected : (\d+)")
    print(f"{instructions:.0f} instructions for a round trip, over {answers} of them")
    allocations, answers = slope("memcheck", 2200, r"total heap usage: ([\d,]+) allocs")
    print(f"{allocations:.5f} allocations for a round trip, over {answers} of them")
    expect(instructions <= MOST_INSTRUCTIONS, "more than", MOST_INSTRUCTIONS, "instructions:", instructions)
    expect(allocations <= MOST_ALLOCATIONS, "messages allocate:", allocations)


if __name__ == "__main__":
    house.main(main)
