"""The balancer beside haproxy and nginx, in one run, with the same load and the same brokers.

All programs run at one time, each on one core, the generator and the test broker (`understudy bench`) on the other; the
programs take turns within each repetition, so that whatever else the machine does hits all of them. What counts is the
processor time of the proxy for a unit of work: it stays the same on a machine that is busy. The tables hold medians.

usage: bench.py [--quick] [--repetitions N] [--seconds S] [--rows NAME,…] [--programs NAME,…] [--json FILE] [--write FILE]
    --quick     3 repetitions of 1 s (a few minutes); otherwise 7 of 3 s
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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
import house
from house import expect

LOOPS = 1
BROKERS = ("127.0.1.1", "127.0.1.2")
SCHEMES = {"mqtt": 1883, "mqtts": 8883, "ws": 8083}
PROXY_CORE, LOAD_CORE = "0", "1"

UNDERSTUDY = """
loops LOOPS
listen plain { bind 127.0.0.1:PORT0; use brokers; backlog 16384 }
listen tls { bind 127.0.0.1:PORT1; use brokers; backlog 16384; tls { certificate @/combined.pem } }
listen ws { bind 127.0.0.1:PORT2; protocol mqtt over websocket path /mqtt; use brokers; backlog 16384 }
backend brokers {
    balance round-robin
    stick on client-id table sessions
    server one 127.0.1.1:1883; server two 127.0.1.2:1883
    check none
}
stick-table sessions { key client-id; size 100k; expire 30m }
log { level error }
"""

# The documents' rules: CONNECT is read and checked, a table remembers client IDs.
HAPROXY = """
global
  maxconn 9500
  nbthread LOOPS
  GLOBAL
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256
  tune.ssl.cachesize 20000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  OPTIONS
frontend plain
  bind 127.0.0.1:PORT0 backlog 16384
  tcp-request inspect-delay 10s
  tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }
  default_backend brokers
frontend tls
  bind 127.0.0.1:PORT1 backlog 16384 ssl crt @/combined.pem
  tcp-request inspect-delay 10s
  tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }
  default_backend brokers
frontend ws
  bind 127.0.0.1:PORT2 backlog 16384
  default_backend websockets
backend brokers
  stick-table type string len 64 size 100k expire 30m
  stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)
  server one 127.0.1.1:1883
  server two 127.0.1.2:1883
backend websockets
  server one 127.0.1.1:8083
  server two 127.0.1.2:8083
"""

# Passes bytes and looks at none: no table, no MQTT.
NGINX = """
MODULE
worker_processes LOOPS;
worker_rlimit_nofile 20000;
daemon off;
pid @/nginx.pid;
error_log @/nginx.log error;
events { worker_connections 19000; }
stream {
  access_log off;
  tcp_nodelay on;
  proxy_buffer_size 64k;
  proxy_timeout 1h;
  upstream brokers { server 127.0.1.1:1883; server 127.0.1.2:1883; }
  upstream websockets { server 127.0.1.1:8083; server 127.0.1.2:8083; }
  ssl_certificate @/combined.pem;
  ssl_certificate_key @/combined.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  ssl_session_cache shared:bench:20m;
  ssl_session_tickets on;
  server { listen 127.0.0.1:PORT0 backlog=16384; proxy_pass brokers; }
  server { listen 127.0.0.1:PORT1 ssl backlog=16384; proxy_pass brokers; }
  server { listen 127.0.0.1:PORT2 backlog=16384; proxy_pass websockets; }
}
"""


class Program:
    """A proxy in front of the brokers, on ports of its own."""
    ports = 20000

    def __init__(self, name):
        self.name = name
        Program.ports += 10
        self.port = dict(zip(SCHEMES, range(Program.ports, Program.ports + 3)))
        self.folder = house.SCRATCH / f"{name}-{Program.ports}"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.start()

    def fill(self, text, **more):
        for index, port in enumerate(self.port.values()):
            text = text.replace(f"PORT{index}", str(port))
        for key, value in more.items():
            text = text.replace(key, value)
        return text.replace("LOOPS", str(LOOPS)).replace("@", str(house.SCRATCH / "tls"))

    def await_port(self):
        house.wait_for(lambda: house.is_open("127.0.0.1", self.port["mqtt"]), self.name)

    def url(self, scheme):
        return f"{scheme}://127.0.0.1:{self.port[scheme]}"


class Understudy(Program):
    def start(self):
        self.balancer = house.Balancer(self.fill(UNDERSTUDY))
        self.await_port()
        self.watched = [self.balancer.pid()]

    def stop(self):
        self.balancer.stop()


class Haproxy(Program):
    settings = {"GLOBAL": "", "OPTIONS": ""}

    def start(self):
        file = self.folder / "haproxy.cfg"
        file.write_text(self.fill(HAPROXY, **self.settings))
        self.process = house.start(f"{self.name}-{self.port['mqtt']}", ["haproxy", "-db", "-f", file], start_new_session=True)
        self.await_port()
        self.watched = [self.process.pid]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Haproxy64(Haproxy):
    settings = {"GLOBAL": "tune.bufsize 65536", "OPTIONS": ""}


class HaproxySplice(Haproxy):
    settings = {"GLOBAL": "maxpipes 64\n  tune.pipesize 1048576", "OPTIONS": "option splice-request\n  option splice-response"}


class Nginx(Program):
    def start(self):
        module = "/usr/lib/nginx/modules/ngx_stream_module.so"
        file = self.folder / "nginx.conf"
        text = self.fill(NGINX, MODULE=f"load_module {module};" if os.path.exists(module) else "")
        file.write_text(text.replace("nginx.pid", f"nginx-{self.port['mqtt']}.pid"))
        self.process = house.start(f"{self.name}-{self.port['mqtt']}", ["nginx", "-c", file, "-p", self.folder], start_new_session=True)
        self.await_port()
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.watched = [int(pid) for pid in house.wait_for(lambda: children.read_text().split(), "nginx's workers")]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Direct:
    """No proxy: what generator and broker can do."""
    watched = []

    def __init__(self, name="direct"):
        self.name = name

    def url(self, scheme):
        return f"{scheme}://{BROKERS[0]}:{SCHEMES[scheme]}"

    def stop(self):
        pass


PROGRAMS = {
    "direct": Direct, "nginx": Nginx, "haproxy": Haproxy, "haproxy-64k": Haproxy64, "haproxy-splice": HaproxySplice,
    "understudy": Understudy,
}

PLAIN = ("direct", "nginx", "haproxy", "understudy")

# Name, what it is in words, scheme, words of `understudy bench`, figure, unit, programs, what is demanded of the ratio to
# haproxy (at least, aim).
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
MEMORY = [
    ("idle", "plain", "mqtt", "hold -c 4000 --keep-alive 0"),
    ("idle-tls", "TLS 1.3", "mqtts", "hold -c 1000 --keep-alive 0 --under-way 64"),
]


def bench(program, scheme, words, seconds):
    """One run of the generator; what it found. A session of its own, like every program here: the kernel shares processor
    time out by sessions."""
    verb, *rest = words.split()
    watch = ["--watch", ",".join(map(str, program.watched))] if program.watched else []
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, house.BINARY, "bench", verb, program.url(scheme), *rest, "-d", f"{int(seconds * 1000)}ms",
         "--warm-up", "300ms", "--json", *watch], capture_output=True, text=True, timeout=house.PATIENCE * 2,
        start_new_session=True)
    expect(done.stdout, program.name, words, "ended with", done.returncode, done.stderr)
    found = json.loads(done.stdout)
    expect(not found["lost"], program.name, words, "lost sessions:", found)
    expect(found["count"] or verb == "hold", program.name, words, "nothing came of it:", found)
    expect("--resume" not in words or found["resumed"] > found["count"] / 2, program.name, "did not resume", found)
    return found


def pin(program):
    """All threads of a proxy on its core; with two loops on both."""
    cores = PROXY_CORE if LOOPS == 1 else f"{PROXY_CORE},{LOAD_CORE}"
    for process in program.watched:
        house.run("taskset", "-a", "-p", "-c", cores, process)


def median(found, key):
    values = [one[key] for one in found if one.get(key) is not None]
    return statistics.median(values) if values else None


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def table(heads, lines):
    out = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in lines]) + "\n"


def measure(rows, names, repetitions, seconds):
    """Row → program → what the generator found, in each repetition; then the tables' text."""
    programs = {name: PROGRAMS[name](name) for name in names}
    for program in programs.values():
        pin(program)
    found = {}
    for repetition in range(repetitions):
        for row, meaning, scheme, words, *_, takers, _ in rows:
            # Every program is first, last and in the middle now and then.
            order = [name for name in takers if name in programs]
            order = order[repetition % len(order):] + order[: repetition % len(order)]
            for name in order:
                one = bench(programs[name], scheme, words, seconds)
                found.setdefault(row, {}).setdefault(name, []).append(one)
        print(f"repetition {repetition + 1} of {repetitions} with {LOOPS} loop(s)", file=sys.stderr)
    for program in programs.values():
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
            wanted = f"{demand[0]} (aim {demand[1]})" if demand and name == "haproxy" else ""
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
    return text


def memory(names):
    """Bytes for each idle session, in fresh processes, one after the other."""
    lines = []
    for row, meaning, scheme, words in MEMORY:
        for name in names:
            if name not in ("nginx", "haproxy", "understudy", "direct"):
                continue
            program = PROGRAMS[name](name)
            one = bench(program, scheme, words, 0.1)
            lines.append([meaning, name, number(one["memory_each"]) if program.watched else "", number(one["kernel_each"])])
            program.stop()
    return table(["idle session", "through", "bytes of the proxy's own", "bytes of the kernel's objects, broker and client inside"], lines)


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


def certificate():
    """A certificate and its key in one file, for the proxies and the broker."""
    tls = house.SCRATCH / "tls"
    tls.mkdir()
    house.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
              "/CN=mqtt.example.com", "-days", "30", "-keyout", tls / "key.pem", "-out", tls / "cert.pem")
    (tls / "combined.pem").write_text((tls / "cert.pem").read_text() + (tls / "key.pem").read_text())
    (tls / "combined.pem").chmod(0o600)


def start_broker():
    """The brokers of all proxies: one process."""
    urls = [f"{scheme}://{address}:{port}" for address in BROKERS for scheme, port in SCHEMES.items()]
    house.start("broker", ["taskset", "-c", LOAD_CORE, house.BINARY, "bench", "broker", *urls, "--certificate",
                           house.SCRATCH / "tls/combined.pem"], start_new_session=True)
    house.wait_for(lambda: house.is_open(BROKERS[1], 8083), "the broker")


def main():
    global LOOPS
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
    names = wanted.programs.split(",") if wanted.programs else list(PROGRAMS)
    for program, names_of in [("haproxy", ("haproxy", "haproxy-64k", "haproxy-splice")), ("nginx", ("nginx",))]:
        if not shutil.which(program):
            print(f"NOT MEASURED: {program} is not installed", file=sys.stderr)
            names = [name for name in names if name not in names_of]
    rows = [row for row in ROWS if not wanted.rows or row[0] in wanted.rows.split(",")]

    certificate()
    start_broker()

    found = measure(rows, names, repetitions, seconds)
    text = f"{machine()} {repetitions} repetitions of {seconds:g} s, medians.\n\n"
    text += "### One loop\n\n" + cost_tables(rows, found)
    everything = {"one loop": found}
    if not wanted.rows:
        text += "\n### Memory\n\n" + memory(names)
        LOOPS = 2
        two = [row for row in rows if row[0] in ("ping-1000", "connect")]
        everything["two loops"] = measure(two, names, repetitions, seconds)
        text += "\n### Two loops, on both cores, shared with generator and broker\n\n" + cost_tables(two, everything["two loops"])
    print(text)
    if wanted.json:
        pathlib.Path(wanted.json).write_text(json.dumps(everything))
    if wanted.write:
        write(pathlib.Path(wanted.write), text)


if __name__ == "__main__":
    house.main(main)
