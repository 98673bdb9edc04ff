"""How long the address is away: a pair of ours and a pair of keepalived's, in turn, each disturbed at the same moment of an
interval."""

import ctypes
import errno
import json
import os
import select
import signal
import socket
import statistics
import struct
import threading
import time

from network import LIMIT, Surprise
from pair import PORT, PRIORITIES, VIRTUAL, Pair, enter, inside

# Seconds between two connections of the prober.
EVERY = 0.0005
# A disturbance comes so much of an interval after an advert was seen on the wire.
PHASE = 0.4
# One that came more than this part of an interval and this many seconds off is not counted and done again, whichever
# program it was.
TOLERANCE = (0.05, 0.001)
# Most disturbances that are done again, for each program and event.
AGAIN = 30


class Prober:
    """Opens a TCP connection through the virtual address again and again, in a process of its own that nothing else on the
    machine holds up; remembers those that were answered: when each began, and when it stood."""

    # Seconds; after a longer turn the prober itself was not run, and such a time is no time without service.
    longest_turn = 0.005
    record = struct.Struct("=Bdd")

    def __init__(self, pair):
        self.answers, self.pauses = [], []
        self.listeners, self.namespace = pair.listeners, pair.client.namespace
        self.output, output = os.pipe()
        self.reading, self.commands = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            try:
                os.close(self.output)
                os.close(self.commands)
                enter(self.namespace)
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(30))
                self.probe(output, self.reading)
            finally:
                os._exit(0)
        os.close(output)
        os.close(self.reading)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        # Connections that nobody takes would fill the queues.
        self.accepting = True
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def probe(self, output, commands):
        """In the child: probes after `1`, rests after `0`, ends after `q` or with the parent."""
        poll, open_ones, pending, going = select.epoll(), {}, bytearray(), False
        poll.register(commands, select.EPOLLIN)
        following = flush = last = time.monotonic()
        while True:
            now = time.monotonic()
            if going and now - last > self.longest_turn:
                pending += self.record.pack(1, last, now)
            last = now
            if going and now >= following:
                following = max(following + EVERY, now)
                link = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                # A reset instead of a goodbye: no state stays behind on either side.
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if link.connect_ex((VIRTUAL, PORT)) in (0, errno.EINPROGRESS):
                    open_ones[link.fileno()] = (link, now)
                    poll.register(link, select.EPOLLOUT)
                else:
                    link.close()
            if now >= flush:
                flush = now + 0.02
                if pending:
                    os.write(output, pending)
                    pending = bytearray()
                # A lost first packet comes again after a second; by then others have been sent.
                for number in [number for number, (_, began) in open_ones.items() if now - began > 0.5]:
                    open_ones.pop(number)[0].close()
            for number, events in poll.poll(max(0, (following if going else flush) - time.monotonic())):
                if number == commands:
                    word = os.read(commands, 1)
                    # The end of the file is not enough: a younger prober has the other end too.
                    if word in (b"", b"q"):
                        return
                    going, last = word == b"1", time.monotonic()
                    continue
                link, began = open_ones.pop(number)
                if not events & (select.EPOLLERR | select.EPOLLHUP):
                    pending += self.record.pack(0, began, time.monotonic())
                link.close()

    def read(self):
        size, rest = self.record.size, b""
        while chunk := os.read(self.output, 1 << 16):
            rest += chunk
            whole = len(rest) // size * size
            for kind, began, ended in self.record.iter_unpack(rest[:whole]):
                (self.pauses if kind else self.answers).append((began, ended))
            rest = rest[whole:]

    def accept(self):
        while self.accepting:
            for listener in self.listeners:
                try:
                    while True:
                        listener.accept()[0].close()
                except OSError:
                    pass
            time.sleep(0.05)

    def go(self, going):
        if going:
            self.answers, self.pauses = [], []
        os.write(self.commands, b"1" if going else b"0")

    def first_answer(self, begun_after):
        return next((at for began, at in list(self.answers) if began >= begun_after), None)

    def longest_gap(self, begin, end):
        times = sorted(at for _, at in list(self.answers) if begin - 1 <= at <= end)
        return max((b - a for a, b in zip(times, times[1:]) if b >= begin), default=float("inf"))

    def paused(self, begin, end):
        """For how long it was not run itself, within a time."""
        return sum(min(to, end) - max(at, begin) for at, to in list(self.pauses) if to > begin and at < end)

    def stop(self):
        self.accepting = False
        os.write(self.commands, b"q")
        os.close(self.commands)
        os.waitpid(self.child, 0)
        self.reader.join()
        self.acceptor.join()
        os.close(self.output)


class Wire:
    """Adverts and announcements at a host's port of the switch, with the kernel's time of each."""

    # Frames of IPv4 protocol 112, and ARP.
    program = [(0x28, 0, 0, 12), (0x15, 4, 0, 0x0806), (0x15, 0, 2, 0x0800), (0x30, 0, 0, 23), (0x15, 1, 0, 112),
               (0x06, 0, 0, 0), (0x06, 0, 0, 128)]

    def __init__(self, pair, host):
        self.socket = inside(pair.switch, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        self.memory = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in self.program))
        self.socket.setsockopt(
            socket.SOL_SOCKET, 26,  # SO_ATTACH_FILTER
            struct.pack("HxxxxxxP", len(self.program), ctypes.addressof(self.memory)))
        inside(pair.switch, lambda: self.socket.bind((host.name, 3)) or True)
        self.socket.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        self.socket.setblocking(False)
        self.take()

    def take(self):
        """What has come: (monotonic time, priority or None for an announcement of the address)."""
        found = []
        while True:
            try:
                frame, ancillary, _, address = self.socket.recvmsg(2048, 256)
            except BlockingIOError:
                return found
            if address[2] == 4:  # PACKET_OUTGOING: what the switch sends to the host.
                continue
            stamp = next(struct.unpack("qq", data[:16]) for level, kind, data in ancillary if kind == 35)
            age = time.time() - (stamp[0] + stamp[1] / 1e9)
            at = time.monotonic() - age
            if frame[12:14] == b"\x08\x06":
                if socket.inet_ntoa(frame[28:32]) == VIRTUAL:
                    found.append((at, None))
            else:
                found.append((at, frame[14 + 4 * (frame[14] & 15) + 2]))

    def wait_for_advert(self):
        """The time of the next advert of an active router."""
        self.take()
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            select.select([self.socket], [], [], 0.5)
            for at, priority in self.take():
                if priority:
                    return at
        raise Surprise("no advert is seen on the wire")

    def close(self):
        self.socket.close()


class Racer:
    """One pair and what is measured of it."""

    def __init__(self, pair):
        self.pair = pair
        self.interval = pair.interval_ms / 1000
        self.lost, self.announced, self.asked, self.asked_wire = [], [], [], []
        self.repeated = 0
        self.ready = 0.0

    def start(self):
        self.pair.build()
        self.pair.start_all()
        self.prober = Prober(self.pair)
        self.rest()

    def rest(self):
        self.ready = time.monotonic() + max(0.5, 2.5 * self.interval)

    def calm(self):
        """Waits until the last disturbance is forgotten."""
        pair = self.pair
        pair.wait(lambda: len(pair.holders()) == 1, "not one holder")
        if pair.program == "understudy":
            for host in pair.hosts:
                pair.wait(lambda h=host: pair.peer_in_sync(h), f"{host.name} is not in sync with its peer")
        time.sleep(max(0, self.ready - time.monotonic()))
        active = pair.holders()[0]
        return active, next(host for host in pair.hosts if host is not active)

    def disturb(self, active, other, disturbance):
        """At a given moment of an interval. Returns when, the last advert before it, the wire of the other host."""
        mine, its = Wire(self.pair, active), Wire(self.pair, other)
        try:
            advert = mine.wait_for_advert()
            time.sleep(max(0, advert + PHASE * self.interval - time.monotonic()))
            before = time.monotonic()
            disturbance()
            after = time.monotonic()
            late = after - advert - PHASE * self.interval
            isGood = late <= max(TOLERANCE[0] * self.interval, TOLERANCE[1])
            return isGood, before, after, advert, mine, its
        except BaseException:
            mine.close()
            its.close()
            raise

    def lose(self):
        active, other = self.calm()
        self.prober.go(True)
        time.sleep(0.1)
        isGood, before, after, advert, mine, its = self.disturb(
            active, other, lambda: self.pair.set_link(active, False))
        self.pair.wait(lambda: other.took(before) is not None, "nobody takes over")
        # What began before the host was gone is not counted.
        self.pair.wait(lambda: self.prober.first_answer(after) is not None, "nobody answers")
        time.sleep(0.05)
        announced = next((at for at, priority in its.take() if priority is None and at > before), None)
        mine.close()
        its.close()
        self.prober.go(False)
        self.pair.set_link(active, True)
        self.pair.wait(lambda: self.pair.holders() == [other], "two hosts after the heal")
        self.rest()
        if not isGood or announced is None:
            return self.again()
        standby = PRIORITIES[self.pair.hosts.index(other)]
        down = self.interval * (3 + (256 - standby) / 256)
        self.lost.append(self.prober.first_answer(after) - before)
        self.announced.append(announced - advert - down)

    def ask(self):
        active, other = self.calm()
        self.prober.go(True)
        time.sleep(0.1)
        if self.pair.program == "understudy":
            def leave():
                threading.Thread(
                    target=lambda: self.pair.ask(active, {"command": "step-down", "for_ms": 200}), daemon=True).start()
        else:
            def leave():
                active.running.send_signal(signal.SIGTERM)
        isGood, before, _, _, mine, its = self.disturb(active, other, leave)
        self.pair.wait(lambda: other.took(before) is not None and not active.holds(), "nobody takes over")
        time.sleep(max(0.3, 3 * self.interval))
        ended = time.monotonic()
        farewell = next((at for at, priority in mine.take() if priority == 0), None)
        announced = next((at for at, priority in its.take() if priority is None and at > before), None)
        mine.close()
        its.close()
        self.prober.go(False)
        time.sleep(0.05)
        gap, paused = self.prober.longest_gap(before, ended), self.prober.paused(before, ended)
        if self.pair.program == "keepalived":
            active.running.wait(LIMIT)
            self.pair.start(active)
            time.sleep(4 * self.interval)
        self.rest()
        if not isGood or paused > 0 or farewell is None or announced is None:
            return self.again()
        self.asked.append(gap)
        self.asked_wire.append(announced - farewell)

    def again(self):
        self.repeated += 1
        if self.repeated > AGAIN:
            raise Surprise(f"{self.pair.program}: the machine is too busy to measure anything")

    def stop(self):
        if hasattr(self, "prober"):
            self.prober.stop()
        self.pair.remove()


def describe(values):
    return f"median {statistics.median(values) * 1000:.2f} ms, maximum {max(values) * 1000:.2f} ms, {len(values)} runs"


# What is told: key, words, whether ours must not be slower, and how many times as fast it must be.
ROWS = [
    ("lost", "host lost: cable pulled to first connection", 1),
    ("announced", "host lost: first announcement later than the down interval", None),
    ("asked", "asked to leave: longest time between two connections", 5),
    ("asked_wire", "asked to leave: farewell to first announcement", 5),
]


def race_at(interval, options, directory):
    racers = [Racer(Pair(directory, program, options.binary, interval)) for program in ("understudy", "keepalived")]
    figures, complaints = [], []
    try:
        for racer in racers:
            racer.start()
        for number in range(2 * options.runs):
            event, done = ("lose", "lost") if number < options.runs else ("ask", "asked")
            wanted = number % options.runs + 1
            # Who is first changes as well.
            for racer in racers if number % 2 == 0 else reversed(racers):
                while len(getattr(racer, done)) < wanted:
                    getattr(racer, event)()
        for key, words, factor in ROWS:
            medians = []
            for racer in racers:
                values = getattr(racer, key)
                medians.append((statistics.median(values), max(values)))
                figures.append({"interval_ms": interval, "figure": key, "program": racer.pair.program,
                                "median_ms": round(medians[-1][0] * 1000, 2), "maximum_ms": round(max(values) * 1000, 2),
                                "runs": len(values), "values_ms": [round(value * 1000, 2) for value in values]})
                print(f"{interval} ms, {words}, {racer.pair.program}: {describe(values)}", flush=True)
            (ours, _), (its, _) = medians
            # Two connections of the prober apart is no difference that it can see.
            if factor == 1 and ours > its + 2 * EVERY and options.runs >= 15:
                complaints.append(f"{interval} ms, {words}: slower than keepalived")
            if factor is not None and factor > 1 and ours * factor > its and options.runs >= 15:
                complaints.append(f"{interval} ms, {words}: not {factor} times shorter than keepalived's")
        print(f"{interval} ms: done again because the disturbance came late or the prober was held up: "
              + ", ".join(f"{racer.pair.program} {racer.repeated}" for racer in racers), flush=True)
    finally:
        for racer in racers:
            racer.stop()
    return figures, complaints


def race(options, directory):
    figures, complaints = [], []
    # What disturbs and reads the time comes before everything else; what it starts does not.
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(29))
    try:
        for interval in [int(word) for word in options.intervals.split(",")]:
            found, wrong = race_at(interval, options, directory)
            figures += found
            complaints += wrong
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    print(json.dumps({"proof": "race", "load": os.getloadavg()[0], "figures": figures}))
    return complaints
