"""What is measured and with what: the proxies with the settings that are best for them, the broker, one run of the generator."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Acceptance"))
import haproxy
import house
from house import expect

LOOPS = 1
BROKERS = ("127.0.1.1", "127.0.1.2")
SCHEMES = {"mqtt": 1883, "mqtts": 8883, "ws": 8083}
PROXY_CORE, LOAD_CORE = "0", "1"
RSA_BITS = 6144

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

HAPROXY = (
    haproxy.beginning(
        9500, "nbthread LOOPS", "GLOBAL", "ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256",
        "ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256", "tune.ssl.cachesize 20000", options=["OPTIONS"])
    + haproxy.listener("plain", "127.0.0.1:PORT0") + haproxy.listener("tls", "127.0.0.1:PORT1 ssl crt @/combined.pem")
    + haproxy.opaque("ws", "127.0.0.1:PORT2", *(f"{address}:8083" for address in BROKERS))
    + haproxy.brokers(*(f"{address}:1883" for address in BROKERS)))

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


class RSA(Understudy):
    """Handshakes that cost the server far more than the client. Generator and broker have to find room on the two cores, too: with
    4,096 bits (4.7 ms here, 0.9 ms there) both cores are full at 1.5 times as many as one loop makes."""
    def fill(self, text, **more):
        return super().fill(text.replace("combined.pem", "rsa.pem"), **more)


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
    expect(not found["failures"], program.name, words, "not every connection succeeded:", found)
    expect(verb == "connect" or found["up"] == found["connections"], program.name, words, "not every session came up:", found)
    expect(found["count"] or verb == "hold", program.name, words, "nothing came of it:", found)
    if "--resume" in words:
        expect(found["not_resumed"] == 0 and found["resumed"] >= found["count"], program.name, words,
               "not every session was resumed:", found)
    return found


def pin(program):
    """All threads of a proxy on its core; with two loops on both."""
    cores = PROXY_CORE if LOOPS == 1 else f"{PROXY_CORE},{LOAD_CORE}"
    for process in program.watched:
        house.run("taskset", "-a", "-p", "-c", cores, process)


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def table(heads, lines):
    out = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in lines]) + "\n"


def certificate():
    """A certificate and its key in one file, for the proxies and the broker."""
    tls = house.SCRATCH / "tls"
    tls.mkdir()
    house.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
              "/CN=mqtt.example.com", "-days", "30", "-keyout", tls / "key.pem", "-out", tls / "cert.pem")
    (tls / "combined.pem").write_text((tls / "cert.pem").read_text() + (tls / "key.pem").read_text())
    house.run("openssl", "req", "-x509", "-newkey", f"rsa:{RSA_BITS}", "-nodes", "-subj", "/CN=mqtt.example.com", "-days", "30",
              "-keyout", tls / "rsa-key.pem", "-out", tls / "rsa-cert.pem")
    (tls / "rsa.pem").write_text((tls / "rsa-cert.pem").read_text() + (tls / "rsa-key.pem").read_text())
    for name in ("combined.pem", "rsa.pem"):
        (tls / name).chmod(0o600)


def start_broker():
    """The brokers of all proxies: one process."""
    urls = [f"{scheme}://{address}:{port}" for address in BROKERS for scheme, port in SCHEMES.items()]
    house.start("broker", ["taskset", "-c", LOAD_CORE, house.BINARY, "bench", "broker", *urls, "--certificate",
                           house.SCRATCH / "tls/combined.pem"], start_new_session=True)
    house.wait_for(lambda: house.is_open(BROKERS[1], 8083), "the broker")
