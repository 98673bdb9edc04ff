"""Balancers die under sequence-checked traffic, at named points of their own and by SIGKILL; nobody may notice.

usage: chaos.py run DEATHS [SECONDS]    deaths at points (a chaos build) and from outside; every byte and every session is checked
       chaos.py controls                survival without one of its parts: each must be seen to fail
       chaos.py poison                  one client is a trap: it is refused, nobody else notices

`UNDERSTUDY_CHAOS_BINARY` names the chaos build (UNDERSTUDY_CHAOS=1 swift build); without it, `run` kills from outside alone.
"""

import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import house
from house import expect
from traffic import World

CHAOS = os.environ.get("UNDERSTUDY_CHAOS_BINARY")
# Where the state that outlives balancers has what (SurvivalState, Chaos).
DEATHS, MODE, STRUCK, LOST = 2064, 2560, 2576, 3056
REASONS = ("inherited-broken", "inherited-homeless", "inherited-opaque", "inherited-poison")
KILLS, LOSES_EVENTS, BELIEVES_NUMBERS, BELIEVES_COUNTS = 1, 2, 4, 8

CONFIGURATION = """
user nobody
loops 2
listen plain { bind 127.0.0.1:1901; use plain }
listen ws-client { bind 127.0.0.1:1902; protocol mqtt over websocket path /mqtt; use behind-ws }
listen ws-server { bind 127.0.0.1:1903; use ws-server }
listen edited { bind 127.0.0.1:1904; proxy-protocol accept from 127.0.0.0/8; use edited }
listen edited-ws { bind 127.0.0.1:1905; protocol mqtt over websocket path /mqtt; proxy-protocol accept from 127.0.0.0/8; use edited-ws }
listen rewritten { bind 127.0.0.1:1911; proxy-protocol accept from 127.0.0.0/8; use rewritten; rewrite username from client-id; rewrite password from source-address }
listen real { bind 127.0.0.1:1906; use real }
listen tls { bind 127.0.0.1:1907; bind 127.0.0.1:1908; use tls; tls { certificate @/combined.pem } }
listen tls-both { bind 127.0.0.1:1910; use tls-both; tls { certificate @/combined.pem } }
listen wss { bind 127.0.0.1:1909; protocol mqtt over websocket path /mqtt; use wss; tls { certificate @/combined.pem } }
backend plain { server one 127.0.0.1:2901; check none; timeout connack 30s; stick on client-id table sessions }
backend behind-ws { server one 127.0.0.1:2902; check none; timeout connack 30s }
backend ws-server { server one 127.0.0.1:2903 websocket /mqtt; check none }
backend edited { server one 127.0.0.1:2904; check none; proxy-protocol v2 }
backend edited-ws { server one 127.0.0.1:2905; check none; proxy-protocol v2 }
backend rewritten { server one 127.0.0.1:2911; check none; proxy-protocol v2 }
backend real { server one 127.0.0.1:2906; check none }
backend tls { server one 127.0.0.1:2907; check none; timeout connack 30s }
backend tls-both { server one 127.0.0.1:2910; check none
    tls { ca @/ca.pem; server-name mqtt.example.com; suites TLS_AES_128_GCM_SHA256 } }
backend wss { server one 127.0.0.1:2909; check none; timeout connack 30s }
stick-table sessions { key client-id; size 10000 }
"""
KINDS = {"plain": (1901, 2901), "ws-client": (1902, 2902), "ws-server": (1903, 2903), "edited": (1904, 2904),
         "edited-ws": (1905, 2905), "edited-head": (1911, 2911)}
# The server of both is one listener of ours: whose session it is, the CONNECT says.
SECURE = {"tls13": (1907, 2907), "tls12": (1908, 2907), "wss": (1909, 2909), "renewing": (1907, 2907), "tls-both": (1910, 2910)}


def points():
    """The names of the points, in their order."""
    text = (house.ROOT / "Sources/Proxy/Survival/ChaosPoint.swift").read_text()
    return [name for line in re.findall(r"^    case (.*)$", text, re.M) for name in line.split(", ")]


class Patient:
    """The daemon whose balancers die."""

    def __init__(self, binary):
        if binary:
            house.BINARY = binary
        folder = house.certificates(house.SCRATCH / "tls")
        # Where new keys are announced, records are the script's own.
        self.contexts = {kind: None if kind in ("renewing", "tls-both") else house.client_context(folder) for kind in SECURE}
        self.certificate = (folder / "server.pem", folder / "server.key")
        self.contexts["tls12"].maximum_version = house.ssl.TLSVersion.TLSv1_2
        self.daemon = house.Balancer(CONFIGURATION.replace("@", str(folder)))
        self.state = self.open_state()
        self.killed = self.supervisors = 0

    def balancer(self):
        """The number of the process that is the balancer now."""
        return next(iter(house.named(b"understudy\0balancer\0")), None)

    def open_state(self):
        pid = self.balancer()
        for number in os.listdir(f"/proc/{pid}/fd"):
            if "memfd:understudy-state" in os.readlink(f"/proc/{pid}/fd/{number}"):
                return os.open(f"/proc/{pid}/fd/{number}", os.O_RDWR)
        raise house.Failure("the state is not found")

    def word(self, place):
        return struct.unpack("<I", os.pread(self.state, 4, place))[0]

    @property
    def deaths(self):
        return self.word(DEATHS)

    def set_mode(self, mode):
        os.pwrite(self.state, struct.pack("<I", mode), MODE)

    def struck(self):
        return {name: self.word(STRUCK + 4 * place) for place, name in enumerate(points())}

    def lost(self):
        """Established sessions that could not be kept, by reason, at all deaths; of a chaos build."""
        return {name: self.word(LOST + 4 * place) for place, name in enumerate(REASONS)}

    def kill(self):
        pid = self.balancer()
        if pid:
            self.killed += 1
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill_supervisor(self):
        """The supervisor dies, too; its keeper, this script's own child, stays."""
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and open(f"/proc/{entry}/comm").read() == "understudy-sup\n":
                    os.kill(int(entry), signal.SIGKILL)
                    self.supervisors += 1
            except OSError:
                pass

    def counters(self):
        return (self.daemon.status().get("balancer") or {}).get("counters") or {}

    def wait(self):
        """Until it serves, after the last death."""
        house.wait_for(lambda: any(p.get("role") == "balancer" and p.get("phase") == "serving"
                                   for p in self.daemon.status().get("processes", [])), "it does not serve")


class RealClients:
    """QoS 1 flows of paho and mosquitto through a real broker: no message twice, none lost, nobody disconnected."""

    def __init__(self, flows=4):
        import paho.mqtt.client as paho
        file = house.SCRATCH / "real.mosquitto"
        file.write_text("listener 2906 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 100000\nuser root\n")
        house.start("broker", ["mosquitto", "-c", file])
        house.wait_for(lambda: house.is_open("127.0.0.1", 2906), "mosquitto")
        self.lock = threading.Lock()
        self.got = [[] for _ in range(flows)]
        self.sent = [0] * flows
        self.lost = []
        self.running = True
        self.clients = []
        major = getattr(paho, "CallbackAPIVersion", None)
        def client(name):
            made = paho.Client(major.VERSION1, name) if major else paho.Client(name)
            made.on_disconnect = lambda *words: self.running and self.lost.append(name)
            made.reconnect_delay_set(1, 1)
            made.max_inflight_messages_set(50)
            return made
        for flow in range(flows):
            listener, speaker = client(f"listener-{flow}"), client(f"speaker-{flow}")
            listener.on_message = lambda _, __, message, flow=flow: self.got[flow].append(int(message.payload.split()[0]))
            ready = threading.Event()
            listener.on_subscribe = lambda *_, ready=ready: ready.set()
            for each in (listener, speaker):
                each.connect("127.0.0.1", 1906, keepalive=60)
                each.loop_start()
            listener.subscribe(f"flow/{flow}", 1)
            expect(ready.wait(20), "no SUBACK")
            self.clients += [listener, speaker]
        self.file = open(house.SCRATCH / "mosquitto_sub.out", "w+b")
        self.sub = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", "1906", "-i", "sub", "-q", "1", "-t", "lines"],
                                    stdout=self.file)
        self.pub = subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", "1906", "-i", "pub", "-q", "1", "-t", "lines", "-l"],
                                    stdin=subprocess.PIPE)
        time.sleep(0.5)
        self.lines = 0
        self.thread = threading.Thread(target=self.speak, daemon=True)
        self.thread.start()

    def speak(self):
        while self.running:
            for flow in range(len(self.sent)):
                payload = b"%d " % self.sent[flow] + b"x" * random.choice((0, 10, 900, 5000))
                self.clients[2 * flow + 1].publish(f"flow/{flow}", payload, qos=1)
                self.sent[flow] += 1
            self.pub.stdin.write(b"%d\n" % self.lines)
            self.pub.stdin.flush()
            self.lines += 1
            time.sleep(0.02)

    def finish(self):
        """What went wrong, and how many messages came."""
        self.running = False
        self.thread.join()
        def lines():
            return (house.SCRATCH / "mosquitto_sub.out").read_bytes().split()
        end = time.monotonic() + 20
        while time.monotonic() < end and (any(len(g) < s for g, s in zip(self.got, self.sent)) or len(lines()) < self.lines):
            time.sleep(0.05)
        found = [f"{name} was disconnected" for name in self.lost]
        for flow, (got, sent) in enumerate(zip(self.got, self.sent)):
            if got != list(range(sent)):
                found.append(f"flow {flow}: {sent} were sent, {len(got)} came, {len(set(got))} different")
        if lines() != [b"%d" % n for n in range(self.lines)]:
            found.append(f"mosquitto: {self.lines} lines were sent, {len(lines())} came, {len(set(lines()))} different")
        for process in (self.sub, self.pub):
            if process.poll() is not None:
                found.append(f"{process.args[0]} has ended")
        return found, sum(map(len, self.got)) + len(lines())


# A supervisor that has served so many seconds has got over the deaths before it.
SUPERVISOR_SERVES = 11


def daemons():
    """Processes of any daemon, those that have ended and are not reaped excepted."""
    return [(pid, line) for pid, line in house.command_lines() if line.split(b"\0")[0].split(b"/")[-1].startswith(b"understudy")]


def drive(world, patient, deaths, seconds, mode=0, pause=0.25, patience=None):
    """Traffic until so many deaths or so much time; whether a ping-pong session hangs ends it early when `patience` is given."""
    began = time.monotonic()
    following = began + pause
    supervised = began - SUPERVISOR_SERVES
    first = patient.deaths
    patient.set_mode(mode)
    while patient.deaths - first < deaths and time.monotonic() - began < seconds:
        world.turn()
        world.push()
        if random.random() < 0.1:
            world.visit()
        if random.random() < 0.05:
            world.visit_away()
        now = time.monotonic()
        if now > following:
            patient.kill()
            # Now and then both at once, or the supervisor while the balancer's successor comes. Eight of them in a row would end the
            # daemon, as they should.
            if now - supervised > SUPERVISOR_SERVES and random.random() < 0.3:
                patient.kill_supervisor()
                supervised = now
            following = now + pause * random.uniform(0.5, 1.5)
        if patience and world.hung(patience):
            break
    patient.set_mode(0)
    return patient.deaths - first


def populate(world, each):
    for kind in world.ports:
        for number in range(each):
            world.begin(kind, small=number % 4 == 0)
    for number in range(10):
        world.begin_pong(("plain", "tls13", "renewing")[number % 3] if world.contexts else "plain")


def calm(world, patient, limit=30):
    """Everybody who still lives catches up."""
    until = time.monotonic() + limit
    while time.monotonic() < until and any(
            e.owed and not e.failure for c in world.sessions for e in (c, c.server) if e):
        world.turn(0.01)
    patient.wait()


def run(deaths, seconds):
    patient = Patient(CHAOS)
    world = World(KINDS | SECURE, patient.contexts, patient.certificate)
    real = RealClients()
    populate(world, 6)
    mode = KILLS if CHAOS else 0
    # Without a chaos build, all deaths come from outside.
    done = drive(world, patient, deaths, seconds, mode, pause=0.5 if CHAOS else 0.7)
    calm(world, patient)
    hung = world.hung(5)
    found = world.failures() + [f"{len(hung)} ping-pong sessions hang"] * bool(hung)
    world.finish()
    found += [words for words in world.failures() if words not in found]
    wrong, messages = real.finish()
    found += wrong
    if world.short["lost"]:
        found.append(f"{world.short['lost']} short sessions were lost")
    if world.away["lost"] or not world.away["whole"]:
        found.append(f"of those that are sent away: {world.away}")
    # Of the last balancer, and in a chaos build of all. Sessions in hand at two deaths over the same bytes are spared there: the
    # deaths are not their fault.
    counters = patient.counters()
    lost = patient.lost()
    spared = lost.pop("inherited-poison") if CHAOS else 0
    found += [f"{name}: {counters[name]}" for name in REASONS if counters.get(name)]
    found += [f"{name} at all deaths: {count}" for name, count in lost.items() if count]
    struck = patient.struck()
    silent = [name for name, count in struck.items() if count == 0]
    figures = dict(
        deaths=done, killed=patient.killed, supervisors=patient.supervisors, bytes=world.moved(), kinds=world.moved_by_kind(),
        sessions=len(world.sessions), pingpong=len(world.pongs),
        rounds=sum(s["rounds"] for s in world.pongs), longest_ms=round(world.longest * 1000, 1), short=world.short, away=world.away,
        messages=messages, spared=spared, renewals=world.renewals(), points=len(struck), silent=silent)
    print(f"figures {json.dumps(figures)}")
    if CHAOS:
        print(f"points {json.dumps(struck)}")
    still = [kind for kind, moved in world.moved_by_kind().items() if moved < 100_000]
    if still:
        found.append(f"hardly a byte went through {still}")
    expect(not found, f"{len(found)} wrong: {found[:10]}", house.log_of(patient.daemon.name)[-1500:] if found else "")
    expect(done >= deaths or seconds < 600, done, "deaths of", deaths)
    print(f"ok {done} deaths")


# How often a control is tried: whether a number is given to somebody else between two deaths is chance.
ATTEMPTS = 4


def controls():
    """Each part of survival is left out, and this must see it."""
    expect(CHAOS, "a chaos build is needed")
    named = [("events", LOSES_EVENTS, "hang"), ("counts", BELIEVES_COUNTS, "bytes"), ("numbers", BELIEVES_NUMBERS, "anything")]
    for name, mode, what in named:
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        expect(any(control(name, mode, what) for _ in range(ATTEMPTS)), name, "is not seen to matter")
        print(f"ok without {name}")


def control(name, mode, what):
    """Whether a part that is left out is missed."""
    patient = Patient(CHAOS)
    world = World({kind: (ports[0], ports[1]) for kind, ports in KINDS.items()})
    failures, hung = [], []
    try:
        populate(world, 6)
        drive(world, patient, 300, 40, KILLS | mode, pause=0.3, patience=6)
        calm(world, patient, 8)
        hung = world.hung(5)
        failures = world.failures()
        if world.short["lost"]:
            failures.append(f"{world.short['lost']} short sessions were lost")
    except (OSError, house.Failure, subprocess.SubprocessError) as error:
        failures.append(f"no service: {error}")
    print(f"control {name}: {patient.deaths} deaths, {len(hung)} hang, {len(failures)} failures, the first {failures[:2]}")
    patient.daemon.process.kill()
    patient.daemon.process.wait()
    for sock, _ in world.handlers.values():
        sock.close()
    # All of it: for a moment between two balancers there is none, and a supervisor that is ending still listens where the next
    # daemon does, and is given some of its connections.
    house.wait_for(lambda: not daemons(), lambda: f"the daemon lives on: {daemons()}")
    return bool(hung if what == "hang" else failures or (hung and what == "anything"))


def poison():
    expect(CHAOS, "a chaos build is needed")
    patient = Patient(CHAOS)
    world = World(KINDS)
    for kind in KINDS:
        world.begin(kind)
    for _ in range(5):
        world.begin_pong()

    def spring():
        """What the trap is answered."""
        sock = world.open("plain", "understudy-trap")
        sock.setblocking(False)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            world.turn()
            world.push()
            try:
                return sock.recv(10)
            except BlockingIOError:
                continue
            except OSError:
                return b""
        raise house.Failure("the trap is not answered")

    answers = []
    for _ in range(4):
        answers.append(spring())
        patient.wait()
    expect(answers == [b"", b"", b"\x20\x02\x00\x05", b"\x20\x02\x00\x05"], "the trap was answered", answers)
    expect(patient.deaths == 2, patient.deaths, "deaths")
    calm(world, patient)
    expect(not world.failures() and not world.hung(2), world.failures())
    status = patient.daemon.status()["balancer"]
    expect(status["counters"]["poison-refused"] == 2 and status["poisoned_clients"] == 1, status["counters"])
    expect(status["counters"]["inherited"] == len(KINDS) + 5, status["counters"])
    print("ok the trap is refused after the second death")


def main():
    if sys.argv[1] == "run":
        run(int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 3600)
    else:
        {"controls": controls, "poison": poison}[sys.argv[1]]()


house.main(main)
