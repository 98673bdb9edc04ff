#!/usr/bin/env python3
"""What the virtual address does when hosts are lost, machines are busy, and files are read again; with figures.

usage: vip-proofs.py BINARY race [--runs N] [--intervals 1000,100,50,10]
       vip-proofs.py BINARY false-failovers [--seconds N]
       vip-proofs.py BINARY reloads [--count N] [--rate PER-SECOND]

race             a pair of ours and a pair of Debian's keepalived, side by side at one time: the active host's cable is
                 pulled, then the active router is asked to leave; time until a TCP connection through the address
                 succeeds again
false-failovers  adverts every 100 ms, both cores kept busy, every process of a host stopped for up to 250 ms again and
                 again: nobody may move
reloads          the file changes and is read again, many times a second: nobody may move, and no advert may be missing

Each prints its figures, one line each, and one line of JSON. Exit status: 0 what is demanded was so; 1 not; 2 cannot run
here.
"""

import argparse
import ctypes
import errno
import fcntl
import json
import os
import random
import re
import secrets
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from network import LIMIT, Host, Surprise, run  # noqa: E402

VIRTUAL = "10.9.0.10"
PORT = 9999
PRIORITIES = (150, 100)


def inside(namespace, body):
    """Runs body in a network namespace, on this thread, which is one of its own."""
    result = []

    def work():
        with open(f"/run/netns/{namespace}", "rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        result.append(body())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if not result:
        raise Surprise(f"nothing came of the work in {namespace}")
    return result[0]


class Pair:
    """Two hosts with one program each, and a client, on a switch."""

    number = 0

    def __init__(self, directory, program, binary, interval_ms):
        Pair.number += 1
        self.prefix = f"usp{os.getpid()}x{Pair.number}"
        self.directory = f"{directory}/{self.prefix}"
        os.makedirs(self.directory)
        self.program, self.binary, self.interval_ms = program, binary, interval_ms
        self.virtual = VIRTUAL
        self.namespaces = []
        self.switch = f"{self.prefix}-sw"
        self.hosts = []
        self.busy = []
        self.capture = None

    def build(self):
        run("ip", "netns", "add", self.switch)
        self.namespaces.append(self.switch)
        run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0",
            "mcast_snooping", "0")
        run("ip", "-n", self.switch, "link", "set", "br0", "up")
        self.hosts = [Host(self, "lb1", 1), Host(self, "lb2", 2)]
        self.client = Host(self, "client", 100)
        secret = "understudy-pair-1 " + secrets.token_hex(32) + "\n"
        for host in self.hosts:
            os.makedirs(f"{self.directory}/{host.name}")
            self.write(f"{host.name}/pair.key", secret, 0o600)
        os.makedirs(f"{self.directory}/run", exist_ok=True)
        self.write("understudy.conf", self.our_file())
        for host in self.hosts:
            self.write(f"{host.name}.keepalived", self.its_file(host))
        self.control = inside(self.switch, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        # Who has the address answers here, whatever else it does: the same for both programs.
        self.listeners = [inside(host.namespace, self.listen) for host in self.hosts]

    def write(self, name, text, mode=0o644):
        path = f"{self.directory}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            os.chmod(path, mode)
            file.write(text)

    @staticmethod
    def listen():
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", PORT))
        listener.listen(4096)
        listener.setblocking(False)
        return listener

    def our_file(self, more=""):
        nodes = "".join(
            f"node {host.name} {{ address {host.address[4]}; priority {priority} }}\n"
            for host, priority in zip(self.hosts, PRIORITIES))
        return f"""# Written by vip-proofs.py.
user nobody
{nodes}pair {{ secret {self.directory}/run/pair.key }}
vrrp mqtt {{
    interface        eth0
    router-id        51
    address          {VIRTUAL}/24
    advert-interval  {self.interval_ms}ms
    without-servers  ignored
    {more}
}}
listen mqtt {{ bind *:1883; use brokers }}
backend brokers {{ server one 127.0.0.1:1884 }}
admin {{ socket {self.directory}/run/admin.sock }}
log {{ to stderr; level info }}
"""

    def its_file(self, host):
        other = next(each for each in self.hosts if each is not host)
        priority = PRIORITIES[self.hosts.index(host)]
        return f"""vrrp_instance mqtt {{
    state BACKUP
    nopreempt
    version 3
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {self.interval_ms / 1000:g}
    unicast_src_ip {host.address[4]}
    unicast_peer {{
        {other.address[4]}
    }}
    virtual_ipaddress {{
        {VIRTUAL}/24 dev eth0
    }}
}}
"""

    def start(self, host):
        if self.program == "understudy":
            script = 'mount --bind "$1" "$2" && exec "$3" run --config "$4" --node "$5"'
            words = ["sh", "-c", script, "sh", f"{self.directory}/{host.name}", f"{self.directory}/run", self.binary,
                     f"{self.directory}/understudy.conf", host.name]
        else:
            words = ["keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file",
                     f"{self.directory}/{host.name}.keepalived", "--pid", f"{self.directory}/{host.name}.pid",
                     "--vrrp_pid", f"{self.directory}/{host.name}-vrrp.pid"]
        host.running = host.start(words, f"{host.name}.log")

    def holders(self):
        return [host for host in self.hosts if host.holds()]

    def wait(self, condition, complaint):
        deadline = time.monotonic() + LIMIT
        while not condition():
            if time.monotonic() > deadline:
                raise Surprise(f"{self.program}: {complaint}")
            time.sleep(0.02)

    def start_all(self):
        for host in self.hosts:
            self.start(host)
            self.wait(lambda: len(self.holders()) == 1, "nobody, or both, have the address")
        if self.program == "understudy":
            for host in self.hosts:
                self.wait(lambda h=host: self.peer_in_sync(h), f"{host.name} is not in sync with its peer")
        time.sleep(5 * self.interval_ms / 1000)

    def ask(self, host, request):
        """A question on the admin socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(LIMIT)
            link.connect(f"{self.directory}/{host.name}/admin.sock")
            link.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while chunk := link.recv(1 << 20):
                answer += chunk
        answer = json.loads(answer.splitlines()[-1])
        if answer.get("ok") is not True:
            raise Surprise(f"{host.name} says no: {answer}")
        return answer

    def peer_in_sync(self, host):
        try:
            peer = self.ask(host, {"command": "status"})["balancer"]["peer"]
        except (OSError, KeyError, TypeError, IndexError, Surprise):
            return False
        return bool(peer and peer.get("linked") and peer.get("synchronised"))

    def router(self, host):
        return self.ask(host, {"command": "status"})["vip"]["routers"][0]

    def set_link(self, host, up):
        """Plugs a host's cable in or out: one system call."""
        request = struct.pack("16sH14x", host.name.encode(), 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(self.control, 0x8913, request))[1]
        flags = flags | 1 if up else flags & ~1
        fcntl.ioctl(self.control, 0x8914, struct.pack("16sH14x", host.name.encode(), flags))

    def changes(self, since):
        return sum(1 for host in self.hosts for at, _ in host.changes if at >= since)

    def remove(self):
        for program in self.busy:
            program.kill()
            program.wait()
        for host in [*self.hosts, getattr(self, "client", None)]:
            if host is not None:
                host.kill()
                host.monitor.kill()
                host.monitor.wait()
        if self.capture is not None:
            self.capture.terminate()
            self.capture.wait()
        for namespace in self.namespaces:
            run("ip", "netns", "del", namespace, check=False)


class Prober:
    """Opens a TCP connection through the virtual address every few milliseconds; remembers those that were answered: when
    each began, and when it stood."""

    # Seconds; a turn of the loop is no longer than the time between two probes.
    longest_turn = 0.02

    def __init__(self, pair, every):
        self.every, self.answers, self.going = every, [], True
        # When this thread itself was not run for a while: such a time is no time without service.
        self.pauses = []
        self.namespace, self.listeners = pair.client.namespace, pair.listeners
        self.thread = threading.Thread(target=lambda: inside(self.namespace, self.probe))
        self.thread.start()

    def probe(self):
        poll, open_ones = select.epoll(), {}
        listeners = {listener.fileno(): listener for listener in self.listeners}
        for listener in self.listeners:
            poll.register(listener, select.EPOLLIN)
        following = time.monotonic()
        last = following
        while self.going:
            now = time.monotonic()
            if now - last > self.longest_turn:
                self.pauses.append((last, now))
            last = now
            if now >= following:
                following = max(following + self.every, now)
                link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                link.setblocking(False)
                # A reset instead of a goodbye: no state stays behind on either side.
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                code = link.connect_ex((VIRTUAL, PORT))
                if code in (0, errno.EINPROGRESS):
                    open_ones[link.fileno()] = (link, now)
                    poll.register(link, select.EPOLLOUT)
                else:
                    link.close()
            for number, events in poll.poll(max(0, following - time.monotonic())):
                if number in listeners:
                    self.accept(listeners[number])
                    continue
                link, began = open_ones.pop(number)
                if not events & (select.EPOLLERR | select.EPOLLHUP):
                    self.answers.append((began, time.monotonic()))
                poll.unregister(link)
                link.close()
            for number, (link, began) in list(open_ones.items()):
                # A lost first packet comes again after a second; by then others have been sent.
                if now - began > 0.5:
                    poll.unregister(link)
                    link.close()
                    del open_ones[number]
        for link, _ in open_ones.values():
            link.close()
        return True

    @staticmethod
    def accept(listener):
        """Empties a host's queue: the connections in it are reset already, or will be."""
        try:
            while True:
                listener.accept()[0].close()
        except OSError:
            return

    def longest_gap(self, begin, end):
        times = [at for _, at in list(self.answers) if begin - 1 <= at <= end]
        return max((b - a for a, b in zip(times, times[1:]) if b >= begin), default=float("inf"))

    def paused(self, begin, end):
        """For how long it was not run itself, within a time."""
        return sum(min(to, end) - max(at, begin) for at, to in self.pauses if to > begin and at < end)

    def stop(self):
        self.going = False
        self.thread.join()


def race_pair(pair, runs, results, failures):
    """Loses and hands over hosts of one pair; the two pairs do it at one time."""
    prober = None
    interval = pair.interval_ms / 1000
    try:
        pair.build()
        pair.start_all()
        prober = Prober(pair, 0.002)
        quiet = max(0.5, 2.5 * interval)
        losses, leaves = [], []
        for _ in range(runs):
            time.sleep(quiet + random.random() * interval)
            active = pair.holders()[0]
            began = time.monotonic()
            pair.set_link(active, False)
            cut = time.monotonic()
            other = next(host for host in pair.hosts if host is not active)
            pair.wait(lambda: other.took(began) is not None, "nobody takes over")
            # What began before the host was gone is not counted.
            pair.wait(lambda: any(start >= cut for start, _ in prober.answers[-50:]), "nobody answers")
            losses.append(next(at for start, at in prober.answers if start >= cut) - began)
            pair.set_link(active, True)
            pair.wait(lambda: pair.holders() == [other], "two hosts after the heal")
        for _ in range(runs):
            time.sleep(quiet + random.random() * interval)
            active = pair.holders()[0]
            other = next(host for host in pair.hosts if host is not active)
            began = time.monotonic()
            if pair.program == "understudy":
                pair.ask(active, {"command": "step-down", "for_ms": 200})
            else:
                active.running.send_signal(signal.SIGTERM)
            pair.wait(lambda: other.took(began) is not None and not active.holds(), "nobody takes over")
            time.sleep(max(0.3, 3 * interval))
            ended = time.monotonic()
            leaves.append(prober.longest_gap(began, ended))
            if (paused := prober.paused(began, ended)) > 0:
                print(f"    {pair.program}: the prober itself paused for {paused * 1000:.0f} ms in a hand-over of "
                      f"{leaves[-1] * 1000:.0f} ms", flush=True)
            if pair.program == "keepalived":
                active.running.wait(LIMIT)
                pair.start(active)
                time.sleep(4 * interval)
            pair.wait(lambda: len(pair.holders()) == 1, "not one holder")
        results[pair.program] = (losses, leaves)
    except Exception as error:
        failures.append(f"{pair.program}: {error}")
    finally:
        if prober is not None:
            prober.stop()
        pair.remove()


def race(options, directory):
    figures, complaints = [], []
    for interval in [int(word) for word in options.intervals.split(",")]:
        results, failures = {}, []
        pairs = [Pair(directory, program, options.binary, interval) for program in ("understudy", "keepalived")]
        threads = [threading.Thread(target=race_pair, args=(pair, options.runs, results, failures)) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        complaints += failures
        if failures:
            continue
        for index, event in enumerate(("host lost", "asked to leave")):
            medians = {}
            for program in ("understudy", "keepalived"):
                values = [value * 1000 for value in results[program][index]]
                medians[program] = statistics.median(values)
                figures.append({"interval_ms": interval, "event": event, "program": program,
                                "median_ms": round(medians[program], 1), "maximum_ms": round(max(values), 1),
                                "runs": len(values), "values_ms": [round(value, 1) for value in values]})
                print(f"{interval} ms, {event}, {program}: median {medians[program]:.1f} ms, "
                      f"maximum {max(values):.1f} ms, {len(values)} runs", flush=True)
            # A median of a few runs is chance; of many, ours must not be slower by more than a tenth of the interval and 5 ms.
            allowed = medians["keepalived"] + interval / 10 + 5
            if options.runs >= 15 and medians["understudy"] > allowed:
                complaints.append(f"{interval} ms, {event}: slower than keepalived")
            print(f"{interval} ms, {event}: keepalived / understudy = "
                  f"{medians['keepalived'] / medians['understudy']:.2f}", flush=True)
    print(json.dumps({"proof": "race", "load": os.getloadavg()[0], "figures": figures}))
    return complaints


def keep_busy(pair):
    """Two programs for each core that do nothing but compute."""
    for _ in range(2 * (os.cpu_count() or 1)):
        pair.busy.append(subprocess.Popen(
            ["sh", "-c", "while :; do :; done"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))


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
