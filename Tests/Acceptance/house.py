"""What the acceptance scripts share: two hosts of their own, brokers, certificates, the balancer and a small client.

A script that calls `enclose` runs again as root of its own network, mounts and processes: what it starts ends with it,
and no address, port or file of this machine is touched. Brokers have hosts of their own, behind cables.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("UNDERSTUDY_BINARY") or str(ROOT / ".build/release/understudy")
# Seconds anything may take that must come: not a measure, only an end.
PATIENCE = float(os.environ.get("UNDERSTUDY_PATIENCE", "60"))
SCRATCH = pathlib.Path("/nowhere")


class Failure(Exception):
    """Something is not as it must be."""


def expect(condition, *words):
    if not condition:
        raise Failure(" ".join(str(word) for word in words))


def wait_for(condition, what, limit=None):
    """The first true value of `condition`, or a failure that says what did not come."""
    end = time.monotonic() + (limit or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < end, "it does not come:", what() if callable(what) else what)
        time.sleep(0.02)


def run(*words, check=True, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=PATIENCE * 2, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main(body):
    """Runs a script: in its own namespaces, with a scratch directory, and with one word at the end."""
    global SCRATCH
    if os.environ.get("UNDERSTUDY_ENCLOSED") != "1":
        os.environ["UNDERSTUDY_ENCLOSED"] = "1"
        place = tempfile.mkdtemp(prefix="understudy-acceptance-")
        os.chmod(place, 0o755)
        os.environ["UNDERSTUDY_SCRATCH"] = place
        child = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-u"] + sys.argv)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: child.kill())
        status = child.wait()
        shutil.rmtree(place, ignore_errors=True)
        sys.exit(status if status >= 0 else 1)
    SCRATCH = pathlib.Path(os.environ["UNDERSTUDY_SCRATCH"])
    run("ip", "link", "set", "lo", "up")
    try:
        body()
    except Exception as error:
        import traceback
        traceback.print_exc()
        for log in sorted(SCRATCH.glob("*.log")):
            print(f"--- {log.name}\n" + log.read_text(errors="replace")[-3000 if "understudy" in log.name or log.name == "rabbit.log" else -600:])
        print(f"FAILED: {error}")
        sys.stdout.flush()
        os._exit(1)
    print("DONE")
    sys.stdout.flush()
    os._exit(0)


def start(name, words, host=None, **more):
    """A process whose words go to a log of its name; it ends with the namespaces."""
    log = open(SCRATCH / f"{name}.log", "ab")
    return subprocess.Popen(
        list(inside(host) if host else ()) + [str(w) for w in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)


def log_of(name):
    path = SCRATCH / f"{name}.log"
    return path.read_text(errors="replace") if path.exists() else ""


def named(name):
    """Processes with such a command line."""
    return [pid for pid, line in command_lines() if line == name]


def memory_parts(pid):
    """Bytes of what a balancer of ours and its holder have, by what they are: their own, the files in memory that outlive them, and
    the keys, whose pages are no blocks of a file."""
    parts, seen = {}, set()

    def add(part, count):
        parts[part] = parts.get(part, 0) + count

    for process in [pid] + named(b"understudy\0holder\0\0\0"):
        name = ""
        for line in open(f"/proc/{process}/smaps"):
            words = line.split()
            if "-" in words[0]:
                name = words[5] if len(words) > 5 else "anonymous"
            elif words[0] == "Anonymous:" and words[1] != "0":
                own = {"[heap]": "heap", "anonymous": "anonymous"}.get(name, "stacks and data")
                add(own if process == pid else "holder", int(words[1]) * 1024)
            elif words[0] == "Rss:" and "secretmem" in name and process == pid:
                add("keys", int(words[1]) * 1024)
    for number in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{number}"
        try:
            target, info = os.readlink(path), os.stat(path)
        except OSError:
            continue
        if "memfd:understudy-" in target and "table" not in target and info.st_ino not in seen:
            seen.add(info.st_ino)
            add(target.split("memfd:understudy-")[1].split()[0], info.st_blocks * 512)
    return parts


def memory_of(pid):
    """All of them."""
    return sum(memory_parts(pid).values())


def command_lines():
    """Processes and their command lines."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found.append((int(entry), open(f"/proc/{entry}/cmdline", "rb").read()))
            except OSError:
                pass
    return found


# The other host.

def inside(host):
    return ("ip", "netns", "exec", host)


def build_hosts(hosts, names=(), sources=()):
    """Hosts behind cables: name → the addresses it has. `names` are (name, address) for the hosts file, `sources` further
    addresses of this host."""
    run("mount", "-t", "tmpfs", "none", "/run")
    for address in sources:
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
    for number, (host, addresses) in enumerate(hosts.items()):
        here, there, end = f"10.99.{number}.1", f"10.99.{number}.2", f"cable{number}"
        run("ip", "netns", "add", host)
        run("ip", "link", "add", end, "type", "veth", "peer", "name", "cable", "netns", host)
        run("ip", "address", "add", f"{here}/24", "dev", end)
        run("ip", "link", "set", end, "up")
        commands = ["link set lo up", f"address add {there}/24 dev cable", "link set cable up", f"route add default via {here}"]
        commands += [f"address add {address}/32 dev lo" for address in addresses]
        run(*inside(host), "ip", "-batch", "-", input="\n".join(commands) + "\n")
        for address in addresses:
            run("ip", "route", "add", f"{address}/32", "via", there)
    # Nobody waits for a name server that is not there.
    lines = [f"127.0.0.1 localhost {socket.gethostname()}\n"] + [f"{address} {name}\n" for name, address in names]
    for file, text in [("hosts", "".join(lines)), ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")]:
        (SCRATCH / file).write_text(text)
        run("mount", "--bind", SCRATCH / file, f"/etc/{file}")


def is_open(address, port):
    """Whether somebody listens, seen from here."""
    try:
        socket.create_connection((address, port), timeout=1).close()
        return True
    except OSError:
        return False


def mosquitto(name, address, tcp=1883, ws=8083):
    """A broker with both listeners on the host of its name; its log tells who came. Its WebSocket takes any address."""
    text = f"listener {tcp} {address}\nlistener {ws} {address}\nprotocol websockets\nallow_anonymous true\n"
    text += "persistence false\nmax_queued_messages 10000\nlog_type all\nconnection_messages true\n"
    text += f"pid_file {SCRATCH}/{name}.pid\nuser root\n"
    file = SCRATCH / f"{name}.mosquitto"
    file.write_text(text)
    process = start(name, ["mosquitto", "-c", file], host=name)
    wait_for(lambda: is_open(address, tcp), f"{name} does not listen")
    return process


# Certificates: EC, so that a test costs no signing of RSA.

def certificates(folder, host="mqtt.example.com"):
    """An authority, a server's certificate and key (separate and in one file), and a client's."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    def key(name):
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"{name}.key")
        os.chmod(folder / f"{name}.key", 0o600)
    key("ca")
    run("openssl", "req", "-x509", "-new", "-key", folder / "ca.key", "-days", "60", "-subj", "/CN=Acceptance",
        "-out", folder / "ca.pem")
    for name, subject, use in [("server", host, "serverAuth"), ("client", "meter-7", "clientAuth")]:
        key(name)
        run("openssl", "req", "-new", "-key", folder / f"{name}.key", "-subj", f"/O=Acceptance/CN={subject}",
            "-out", folder / f"{name}.csr")
        extra = folder / f"{name}.ext"
        extra.write_text(
            f"subjectAltName=DNS:{subject},IP:127.0.0.1\nextendedKeyUsage={use}\nbasicConstraints=critical,CA:false\n")
        run("openssl", "x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.pem", "-CAkey",
            folder / "ca.key", "-set_serial", "0x1A2B3C4D5E", "-days", "60", "-extfile", extra,
            "-out", folder / f"{name}.pem")
    combined = folder / "combined.pem"
    combined.write_text((folder / "server.pem").read_text() + (folder / "server.key").read_text())
    os.chmod(combined, 0o600)
    return folder


def client_context(folder, certificate=False):
    context = ssl.create_default_context(cafile=str(pathlib.Path(folder) / "ca.pem"))
    context.check_hostname = False
    if certificate:
        context.load_cert_chain(str(folder / "client.pem"), str(folder / "client.key"))
    return context


# The balancer.

class Balancer:
    """`understudy run` with a configuration, until `stop`."""
    number = 0

    def __init__(self, text, node=None, wait=True, own=False, before=()):
        """`own`: in a session of its own, as a service is. `before`: words before the command."""
        Balancer.number += 1
        self.name = f"understudy-{Balancer.number}"
        self.socket = SCRATCH / f"{self.name}.sock"
        self.file = SCRATCH / f"{self.name}.conf"
        self.file.write_text(text + f"\nadmin {{ socket {self.socket} }}\n")
        words = [*before, BINARY, "run", "--config", self.file] + (["--node", node] if node else [])
        self.process = start(self.name, words, start_new_session=own)
        if wait:
            self.settled()

    def ask(self, *words):
        done = subprocess.run(
            [BINARY, *words, "--socket", str(self.socket), "--json"], capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout if done.returncode == 0 else ""

    def tell(self, *words):
        return run(BINARY, *words, "--socket", self.socket)

    def status(self):
        answer = self.ask("status")
        return json.loads(answer) if answer else {}

    def servers(self):
        """(backend, server) → what status says about it."""
        backends = (self.status().get("balancer") or {}).get("backends") or []
        return {(b["name"], s["name"]): s for b in backends for s in b.get("servers", [])}

    def clients(self):
        return [json.loads(line) for line in self.ask("clients").splitlines() if line.startswith("{")]

    def settled(self):
        """Waits until it serves and knows every server."""
        def done():
            expect(self.process.poll() is None, f"{self.name} ended: {log_of(self.name)[-2000:]}")
            status = self.status()
            phases = {p.get("role"): p.get("phase") for p in status.get("processes", [])}
            return phases.get("balancer") == "serving" and self.servers()
        wait_for(done, lambda: f"{self.name} does not serve: {log_of(self.name)[-2000:]}")

    def pid(self):
        return next(p["pid"] for p in self.status()["processes"] if p["role"] == "balancer")

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        expect(self.process.returncode == 0, f"{self.name} ended with {self.process.returncode}")


# A client that says what it is told to, and nothing more.

class Client:
    def __init__(self, port, name, source=None, tls=None, host="127.0.0.1", server_name="mqtt.example.com", clean=True,
                 level=4, keep_alive=0, first=b""):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            self.socket.sendall(first)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self.own = self.socket.getsockname()
        identity = name.encode()
        protocol = b"\x00\x06MQIsdp" if level == 3 else b"\x00\x04MQTT"
        body = protocol + bytes([level, 2 if clean else 0]) + struct.pack(">H", keep_alive)
        body += (b"\x00" if level == 5 else b"") + struct.pack(">H", len(identity)) + identity
        self.socket.sendall(b"\x10" + length(len(body)) + body)
        answer = self.read(4)
        expect(answer[0] == 0x20, name, "was answered", answer)
        self.session_present, self.code = answer[2] & 1, answer[3]
        expect(self.code == 0, name, "is refused with", self.code)
        if level == 5:
            self.read(answer[1] - 2)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise Failure(f"closed after {data!r}")
            data += piece
        return data

    def ping(self):
        """Seconds until the answer."""
        began = time.monotonic()
        self.socket.sendall(b"\xc0\x00")
        expect(self.read(2) == b"\xd0\x00", "no PINGRESP")
        return time.monotonic() - began

    def close(self):
        try:
            self.socket.sendall(b"\xe0\x00")
        except OSError:
            pass
        self.socket.close()


def length(value):
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)
