"""Reloads and upgrades under live sessions with a QoS 1 stream in both directions, and the same reloads to HAProxy.

changes.py [SESSIONS [RELOADS [UPGRADES]]]: prints one line for each program: what became of its sessions, its processes and
its memory.
"""

import collections
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import house

SESSIONS, RELOADS, UPGRADES = [int(word) for word in (sys.argv[1:] + ["1000", "100", "10"][len(sys.argv) - 1:])]
# Messages of each session and direction in a second, and sessions that come between two changes.
RATE, FRESH = 1.0, 5
BROKER = 2883


def packet(kind, body):
    assert len(body) < 128
    return bytes([kind, len(body)]) + body


def publish(number):
    return packet(0x32, b"\x00\x01t" + struct.pack(">H", number % 65535 + 1) + struct.pack(">I", number))


class End:
    """One end of a session: numbers its messages, and knows which number must come next."""

    def __init__(self, sock):
        self.sock, self.input, self.output = sock, b"", b""
        self.next, self.expected, self.acknowledged = 0, 0, 0
        self.ready = False

    def take(self, data, told):
        """Acts on what came; `told` counts what must not happen."""
        self.input += data
        while len(self.input) >= 2 and len(self.input) >= 2 + self.input[1]:
            kind, body = self.input[0], self.input[2:2 + self.input[1]]
            self.input = self.input[2 + len(body):]
            if kind == 0x10:
                self.output += b"\x20\x02\x00\x00"
                self.ready = True
            elif kind == 0x20:
                self.ready = True
            elif kind == 0x32:
                number = struct.unpack(">I", body[5:9])[0]
                if number < self.expected:
                    told["duplicates"] += 1
                elif number > self.expected:
                    told["lost"] += number - self.expected
                self.expected = number + 1
                told["messages"] += 1
                self.output += packet(0x40, body[3:5])
            elif kind == 0x40:
                self.acknowledged += 1
            else:
                told["nonsense"] += 1


class Crowd:
    """Ends on one selector."""

    def __init__(self):
        self.selector, self.ends, self.told = selectors.DefaultSelector(), {}, collections.Counter()
        self.listener, self.turn = None, 0.0

    def listen(self, port):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=8192)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def connect(self, port, name):
        sock = socket.create_connection(("127.0.0.1", port), timeout=house.PATIENCE)
        end = self.add(sock)
        identity = name.encode()
        end.output += packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(identity)) + identity)
        return end

    def add(self, sock):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = End(sock)
        self.ends[sock.fileno()] = end
        self.selector.register(sock, selectors.EVENT_READ)
        return end

    def drop(self, end, what):
        self.told[what] += 1
        self.selector.unregister(end.sock)
        del self.ends[end.sock.fileno()]
        end.sock.close()

    def step(self, most):
        for key, _ in self.selector.select(most):
            if key.fileobj is self.listener:
                try:
                    while True:
                        self.add(self.listener.accept()[0])
                except BlockingIOError:
                    continue
            end = self.ends.get(key.fd)
            if end is None:
                continue
            try:
                data = end.sock.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                self.drop(end, "resets")
                continue
            if not data:
                self.drop(end, "closed")
                continue
            end.take(data, self.told)
        now = time.monotonic()
        if now - self.turn >= 1 / RATE:
            self.turn = now
            for end in self.ends.values():
                if end.ready and end.next - end.acknowledged < 50:
                    end.output += publish(end.next)
                    end.next += 1
        for end in list(self.ends.values()):
            if end.output:
                try:
                    end.output = end.output[end.sock.send(end.output):]
                except BlockingIOError:
                    pass
                except OSError:
                    self.drop(end, "resets")


def broker():
    """The broker, a process of its own; tells what it saw when it is ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        crowd = Crowd()
        crowd.listen(BROKER)
        over = []
        signal.signal(signal.SIGTERM, lambda *_: over.append(True))
        while not over:
            crowd.step(0.02)
        os.write(writing, (" ".join(f"{name}={count}" for name, count in crowd.told.items()) + "\n").encode())
        os._exit(0)
    os.close(writing)
    house.wait_for(lambda: house.is_open("127.0.0.1", BROKER), "the broker")

    def end():
        os.kill(child, signal.SIGTERM)
        with os.fdopen(reading) as words:
            told = collections.Counter()
            for word in words.read().split():
                name, count = word.split("=")
                told[name] = int(count)
        os.waitpid(child, 0)
        return told

    return end


def processes(word):
    """Numbers of processes whose command line has that word, and their memory of their own in KiB."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            line = open(f"/proc/{name}/cmdline").read()
            if word in line.split("\0")[0]:
                memory = [row for row in open(f"/proc/{name}/smaps_rollup") if row.startswith("Pss:")]
                found.append((int(name), int(memory[0].split()[1])))
        except (OSError, IndexError):
            continue
    return found


class Understudy:
    word = "understudy"

    def __init__(self):
        self.file = house.SCRATCH / "understudy.conf"
        self.change(0)
        # Two programs: another build, with other code and another version, which the tests of deaths use as well; without one,
        # another file with the same program, which is another one for the kernel. Only root may write beside them.
        self.folder = house.ROOT / ".build" / f"changes-{os.getpid()}-{int(time.time())}"
        self.folder.mkdir()
        self.builds = [self.folder / "one" / "understudy", self.folder / "two" / "understudy"]
        other = os.environ.get("UNDERSTUDY_CHAOS_BINARY")
        for build, source in zip(self.builds, [other or house.BINARY, house.BINARY]):
            build.parent.mkdir()
            shutil.copy(source, build)
            build.chmod(0o755)
        versions = {house.run(build, "version") for build in self.builds}
        house.expect(len(versions) == (2 if other else 1), "two builds with different versions:", versions)
        print("ok builds:", ", ".join(sorted(version.strip() for version in versions)))
        self.started = house.start("understudy", [house.BINARY, "run", "--config", self.file])

    def change(self, number):
        lines = [
            f"admin {{ socket {house.SCRATCH}/admin.sock }}", "limit sessions 20000", "user nobody", "loops 2",
            f"listen mqtt {{ bind 127.0.0.1:1883; use brokers; limit connections {10000 + number} }}",
            f"backend brokers {{ server one 127.0.0.1:{BROKER} weight {number % 9 + 1}; stick on client-id table sessions; "
            f"check tcp every {number % 5 + 1}s }}",
            f"stick-table sessions {{ key client-id; size 20000; expire {number % 7 + 10}m }}",
            f"log {{ level {['info', 'notice'][number % 2]} }}",
        ]
        if number % 3 == 1:
            lines.append("listen second { bind 127.0.0.2:1883; use brokers }")
        self.file.write_text("\n".join(lines) + "\n")

    def ask(self, *words):
        return house.run(house.BINARY, *words, "--config", self.file)

    def reload(self, number):
        self.change(number)
        house.expect("nothing is different" not in self.ask("reload"), "a reload without a change")

    def upgrade(self, number, turn):
        asking = subprocess.Popen(
            [house.BINARY, "upgrade", self.builds[number % 2], "--config", self.file], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        while asking.poll() is None:
            turn(0.02)
        words = asking.stdout.read()
        house.expect(asking.returncode == 0, "upgrade", number, words, house.log_of("understudy"))
        version = house.run(self.builds[number % 2], "version").split()[1]
        house.expect(f"to version {version} " in words, "the new version is told:", words)

    def balancers(self):
        return sum(1 for pid, _ in processes(self.word) if open(f"/proc/{pid}/comm").read() == "understudy-bal\n")

    def lingering(self):
        """Processes of another program than the last one."""
        return [pid for pid, _ in processes(self.word) if os.readlink(f"/proc/{pid}/exe") != str(self.last)]

    def finish(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class HAProxy:
    word = "haproxy"

    def __init__(self):
        self.file = house.SCRATCH / "haproxy.cfg"
        self.change(0)
        self.started = house.start("haproxy", ["haproxy", "-W", "-f", self.file])

    def change(self, number):
        self.file.write_text(
            f"global\n maxconn 9500\n nbthread 2\ndefaults\n mode tcp\n timeout connect 2s\n timeout client 1h\n"
            f" timeout server 1h\nlisten mqtt\n bind 127.0.0.1:1883\n maxconn {9000 + number}\n"
            f" server one 127.0.0.1:{BROKER} weight {number % 9 + 1} check inter {number % 5 + 1}s\n")

    def reload(self, number):
        self.change(number)
        former = {pid for pid, _ in processes(self.word)}
        os.kill(self.started.pid, signal.SIGUSR2)
        house.wait_for(lambda: {pid for pid, _ in processes(self.word)} - former, "the new worker")

    def balancers(self):
        # The master is none.
        return len(processes(self.word)) - 1

    def finish(self):
        pass


def measure(program, upgrades):
    crowd, end_broker = Crowd(), broker()
    house.wait_for(lambda: house.is_open("127.0.0.1", 1883), lambda: house.log_of(program.word))

    def turn(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            crowd.step(0.01)

    def join(count, name):
        ends = [crowd.connect(1883, f"{name}-{number}") for number in range(count)]
        limit = time.monotonic() + house.PATIENCE
        while not all(end.ready for end in ends):
            house.expect(time.monotonic() < limit, "clients are not let in")
            crowd.step(0.01)

    for start in range(0, SESSIONS, 100):
        join(min(100, SESSIONS - start), f"device-{start}")
    turn(2)
    before = sum(memory for _, memory in processes(program.word))
    count = SESSIONS
    for number in range(1, RELOADS + 1):
        program.reload(number)
        turn(0.1)
        join(FRESH, f"fresh-{number}")
        count += FRESH
    for number in range(upgrades):
        program.upgrade(number, turn)
        turn(0.1)
        join(FRESH, f"later-{number}")
        count += FRESH
        program.last = program.builds[number % 2]
        house.expect(not program.lingering(), "left of a former program:", program.lingering())
    turn(2)
    after = sum(memory for _, memory in processes(program.word))
    # What is on its way arrives: nothing new is sent.
    limit = time.monotonic() + house.PATIENCE
    for end in crowd.ends.values():
        end.ready = False
    while any(end.acknowledged < end.next for end in crowd.ends.values()) and time.monotonic() < limit:
        crowd.step(0.01)
    missing = sum(end.next - end.acknowledged for end in crowd.ends.values())
    balancers = program.balancers()
    told = crowd.told + end_broker()
    lost = crowd.told["resets"] + crowd.told["closed"]
    print(
        f"{program.word}: {RELOADS} reloads, {upgrades} upgrades; sessions {count}, ended {lost}; messages {told['messages']}, "
        f"duplicates {told['duplicates']}, lost {told['lost'] + missing}; balancers {balancers}; memory {before} KiB, then {after} KiB",
        flush=True)
    return lost, told, missing, balancers, before, after


def body():
    if "only-understudy" not in os.environ.get("UNDERSTUDY_CHANGES", "") and shutil.which("haproxy"):
        rival = HAProxy()
        measure(rival, 0)
        rival.started.terminate()
        rival.started.wait()
        house.wait_for(lambda: [os.kill(pid, signal.SIGKILL) for pid, _ in processes(rival.word)] == [], "the end")
    program = Understudy()
    try:
        lost, told, missing, balancers, before, after = measure(program, UPGRADES)
        house.expect(lost == 0 and told["duplicates"] == 0 and told["lost"] + missing == 0, "sessions suffered")
        house.expect(told["nonsense"] == 0, "bytes were changed")
        house.expect(balancers == 1, "one balancer is left, not", balancers)
        # New sessions and their table entries are there to stay; a leak of each change would be far more.
        house.expect(after < before * 1.5 + 16384, "memory", before, after)
    finally:
        program.finish()


house.main(body)
