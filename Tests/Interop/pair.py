"""A pair of hosts with one program each, and a client, for the scripts beside this file."""

import ctypes
import fcntl
import json
import os
import secrets
import socket
import struct
import threading
import time

from network import LIMIT, Host, Surprise, run

VIRTUAL = "10.9.0.10"
PORT = 9999
PRIORITIES = (150, 100)


def enter(namespace):
    """Moves this thread into a network namespace, for good."""
    with open(f"/run/netns/{namespace}", "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def inside(namespace, body):
    """Runs body in a network namespace, on a thread of its own."""
    result = []

    def work():
        enter(namespace)
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
