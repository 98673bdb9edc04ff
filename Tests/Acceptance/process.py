"""The program by itself: how many threads serve, what rights ports below 1024 need, how few open files it can live with, what it counts,
that one file of it has everything, and what a firewall has to let through.

usage: process.py
"""

import os
import pwd
import re
import socket
import subprocess
import urllib.request

import house
from house import expect, wait_for

BROKER = "backend broker { server one 10.77.0.1:1883; check tcp every 500ms }\n"
PLAIN = "listen mqtt { bind *:1883; use broker }\n" + BROKER
LOW = """
listen ws  { bind *:80; use broker; protocol mqtt over websocket path /mqtt }
listen wss { bind *:443; use broker; protocol mqtt over websocket path /mqtt; tls { certificate @/combined.pem } }
""" + BROKER

# Direction, protocol, place, purpose: all of conf/examples/haproxy-keepalived.conf, on lb1.
PASSAGES = [
    ["in", "tcp", "*:1883", "listener mqtt"], ["in", "tcp", "10.0.0.11:7946", "the pair, with lb2"],
    ["in", "vrrp (112)", "10.0.0.12", "virtual router mqtt"], ["out", "tcp", "10.0.0.12:7946", "the pair, with lb2"],
    ["out", "vrrp (112)", "10.0.0.12", "virtual router mqtt"],
] + [["out", "tcp", f"emqx{number}-cluster.emqx.io:1883", "backend mqtt_backend"] for number in (1, 2, 3)]


def names(pid):
    return [open(f"/proc/{pid}/task/{task}/comm").read().strip() for task in os.listdir(f"/proc/{pid}/task")]


def threads():
    """A loop for each processor that is online, and as many as are written."""
    online = os.sysconf("SC_NPROCESSORS_ONLN")
    for text, count in [("", online), ("loops auto\n", online), ("loops 1\n", 1), ("loops 3\n", 3)]:
        balancer = house.Balancer(PLAIN + text)
        loops = sorted(name for name in names(balancer.pid()) if re.fullmatch(r"loop \d+", name))
        expect(loops == [f"loop {number}" for number in range(count)], text or "nothing written", "gives", loops)
        house.Client(1883, "device").ping()
        balancer.stop()
        print(f"ok threads {text.strip() or 'unless written'}: {count}")


def upgrade(port, tls=None):
    """The answer to a browser's request for a WebSocket."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=house.PATIENCE)
    if tls:
        peer = tls.wrap_socket(peer, server_hostname="mqtt.example.com")
    peer.sendall(b"GET /mqtt HTTP/1.1\r\nHost: mqtt.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
    return peer.recv(100)


def rights(tls):
    """Ports 80 and 443 for a user who is not root and has the one capability for them; without it the program says what is missing."""
    user = pwd.getpwnam("nobody")
    os.chmod(house.SCRATCH, 0o777)
    for file in tls.iterdir():
        os.chown(file, user.pw_uid, user.pw_gid)
    def words(rights):
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", f"--inh-caps={rights}",
                f"--ambient-caps={rights}", f"--bounding-set={rights}", "--no-new-privs"]
    text = LOW.replace("@", str(tls))
    balancer = house.Balancer(text, before=words("-all,+net_bind_service"))
    for line in open(f"/proc/{balancer.pid()}/status"):
        if line.startswith("Uid:"):
            expect(set(line.split()[1:]) == {str(user.pw_uid)}, "the balancer is", line)
        # CAP_NET_BIND_SERVICE is number 10 (capabilities(7)).
        if line.startswith(("CapEff:", "CapPrm:")):
            expect(int(line.split()[1], 16) & ~(1 << 10) == 0, "the balancer has", line)
    wait_for(lambda: balancer.servers()[("broker", "one")]["status"] == "up", "the broker")
    expect(upgrade(80).startswith(b"HTTP/1.1 101 "), "no WebSocket on 80")
    expect(upgrade(443, house.client_context(tls)).startswith(b"HTTP/1.1 101 "), "no WebSocket on 443")
    balancer.stop()
    print("ok rights: 80 and 443 as nobody, with CAP_NET_BIND_SERVICE alone")
    balancer = house.Balancer(text, before=words("-all"), wait=False)
    expect(balancer.process.wait(house.PATIENCE) != 0, "it runs without the right to")
    said = house.log_of(balancer.name)
    expect(re.search(r":(80|443)\b.*[Pp]ermission denied", said), "it does not say what is missing:", said[-2000:])
    print("ok rights: without it the program ends, and says which port it may not have")


def counted():
    """Ten devices and one who asks are eleven connections, as with NGINX."""
    balancer = house.Balancer(PLAIN + "status { bind 127.0.0.1:8888 }\n")
    devices = [house.Client(1883, f"device-{number}") for number in range(10)]
    with urllib.request.urlopen("http://127.0.0.1:8888/status", timeout=house.PATIENCE) as answer:
        said, kind = answer.read().decode(), answer.headers["Content-Type"]
    expect(kind.startswith("text/plain"), kind)
    wanted = "Active connections: 11 \nserver accepts handled requests\n 11 11 1 \nReading: 0 Writing: 1 Waiting: 0 \n"
    expect(said == wanted, "it says", said)
    for device in devices:
        device.close()
    balancer.stop()
    print("ok counted: ten devices and one who asks are eleven")


def few_files():
    """With fewer open files than it needs the program says so, with the numbers, and does not start."""
    balancer = house.Balancer(PLAIN, before=["sh", "-c", 'ulimit -n 100; exec "$@"', "sh"], wait=False)
    expect(balancer.process.wait(house.PATIENCE) == 1, "it ended with", balancer.process.returncode)
    said = house.log_of(balancer.name)
    expect(re.search(r"at most 100 files may be open .* 768 are the least", said), "it says", said[-1000:])
    balancer = house.Balancer(PLAIN, before=["sh", "-c", 'ulimit -n 768; exec "$@"', "sh"])
    house.Client(1883, "device").ping()
    balancer.stop()
    print("ok few files: 100 are refused with the numbers, 768 serve")


def build():
    """One program has it all."""
    said = subprocess.run([house.BINARY, "version", "--features"], capture_output=True, text=True, timeout=house.PATIENCE)
    expect(said.returncode == 0, said.stderr)
    for word in ("tls", "protocol", "proxy-protocol", "rewrite client-id", "balance", "check", "stick-table", "vrrp", "pair", "status", "log"):
        expect(re.search(rf"^{word}\b", said.stdout, re.M), "no", word, "in", said.stdout)
    print("ok build: " + ", ".join(line.split("  ")[0] for line in said.stdout.splitlines()[1:]))


def ports():
    """What a firewall has to let through, of a file that has everything."""
    said = house.run(house.BINARY, "ports", house.ROOT / "conf/examples/haproxy-keepalived.conf", "--node", "lb1")
    rows = [re.split(r"  +", line) for line in said.splitlines()]
    expect(rows[0] == ["direction", "protocol", "place", "for"], said)
    for row in PASSAGES:
        expect(row in rows, "no", row, "in", said)
    expect(len(rows) == 1 + len(PASSAGES), "something more:", said)
    print(f"ok ports: {len(PASSAGES)} ways in and out")


def body():
    house.build_hosts({"broker": ["10.77.0.1"]})
    house.mosquitto("broker", "10.77.0.1")
    threads()
    rights(house.certificates(house.SCRATCH / "tls"))
    counted()
    few_files()
    build()
    ports()


house.main(body)
