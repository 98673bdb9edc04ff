"""Two hosts that both work: each is active for an address of its own, and takes the other's when that host dies.

usage: two-active.py
"""

import json
import subprocess
import threading
import time

import house
from crowd import answer_everybody
from house import expect, run, start, wait_for

CONFIGURATION = """
node lb1 { address 10.60.0.11 }
node lb2 { address 10.60.0.12 }
pair { secret @/pair.key }
vrrp one { interface cable; router-id 51; address 10.60.0.101/24; preempt after 500ms; priority lb1 150 }
vrrp two { interface cable; router-id 52; address 10.60.0.102/24; preempt after 500ms; priority lb2 150 }
listen mqtt { bind *:1883; use brokers }
backend brokers { server one 10.60.0.21:1883; check mqtt every 300ms timeout 300ms rise 1 fall 2; stick on client-id table sessions }
stick-table sessions { replicate }
loops 1
"""
ADDRESSES = {"lb1": "10.60.0.101", "lb2": "10.60.0.102"}


class Host:
    """A daemon on a host of the network; its admin socket is its own."""

    def __init__(self, name):
        self.name, self.socket = name, house.SCRATCH / f"{name}.sock"
        file = house.SCRATCH / f"{name}.conf"
        file.write_text(CONFIGURATION.replace("@", str(house.SCRATCH)) + f"admin {{ socket {self.socket} }}\n")
        self.file = file
        self.begin()

    def begin(self):
        self.process = start(self.name, [house.BINARY, "run", "--config", self.file, "--node", self.name], host=self.name)

    def status(self):
        done = subprocess.run(
            [house.BINARY, "status", "--socket", str(self.socket), "--json"], capture_output=True, text=True,
            timeout=house.PATIENCE)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}

    def die(self):
        """Everything at once, as when the power is cut: its address is on no interface any more."""
        run(*house.inside(self.name), "ip", "link", "set", "cable", "down")
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not run(*house.inside(self.name), "ip", "-br", "link", "show", "cable", check=False).count("UP"), "the cable")

    def come_back(self):
        wait_for(lambda: run("pgrep", "-f", f"{self.name}.conf", check=False).strip() == "", "its processes end")
        run(*house.inside(self.name), "ip", "link", "set", "cable", "up")
        self.begin()

    def holds(self):
        text = run(*house.inside(self.name), "ip", "-4", "-o", "address", "show", "dev", "cable")
        return {address for address in ADDRESSES.values() if f"inet {address}/" in text}


def network():
    """lb1, lb2, the broker and the clients (this host) on one bridge."""
    run("ip", "link", "add", "bridge", "type", "bridge")
    run("ip", "link", "set", "bridge", "up")
    run("ip", "address", "add", "10.60.0.1/24", "dev", "bridge")
    run("ip", "address", "add", "10.60.0.21/24", "dev", "bridge")
    run("mount", "-t", "tmpfs", "none", "/run")
    for name, address in [("lb1", "10.60.0.11"), ("lb2", "10.60.0.12")]:
        run("ip", "netns", "add", name)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "cable", "netns", name)
        run("ip", "link", "set", name, "master", "bridge", "up")
        for words in ("link set lo up", f"address add {address}/24 dev cable", "link set cable up"):
            run(*house.inside(name), "ip", *words.split())


def reaches(address, name):
    """Whether a new client is let in there."""
    try:
        house.Client(1883, name, host=address).close()
        return True
    except (OSError, house.Failure):
        return False


def where(hosts, expected, what):
    wait_for(lambda: {name: host.holds() for name, host in hosts.items()} == expected,
             lambda: f"{what}: {({name: host.holds() for name, host in hosts.items()})}")


def body():
    network()
    answer_everybody("10.60.0.21")
    wait_for(lambda: house.is_open("10.60.0.21", 1883), "the broker")
    run(house.BINARY, "keygen", house.SCRATCH / "pair.key")
    hosts = {name: Host(name) for name in ADDRESSES}
    each = {name: {address} for name, address in ADDRESSES.items()}
    where(hosts, each, "each has its own")
    for name, address in ADDRESSES.items():
        wait_for(lambda: reaches(address, f"first-{name}"), f"{address} does not serve")
        totals = hosts[name].status()["balancer"]["counters"]["established"]
        expect(totals >= 1, name, "served", totals, "of its own clients")
    print("ok each active for its own address, both serve")
    both = set(ADDRESSES.values())
    for victim, other in [("lb1", "lb2"), ("lb2", "lb1")]:
        hosts[victim].die()
        began = time.monotonic()
        wait_for(lambda: reaches(ADDRESSES[victim], f"after-{victim}"), f"nobody takes {ADDRESSES[victim]}")
        took = time.monotonic() - began
        expect(hosts[other].holds() == both, other, "holds", hosts[other].holds())
        expect(reaches(ADDRESSES[other], f"still-{other}"), "its own address does not serve any more")
        print(f"ok {victim} dies: {other} serves both, after {took:.2f} s")
        hosts[victim].come_back()
        where(hosts, each, f"{victim} is back")
        wait_for(lambda: all(reaches(address, f"again-{name}") for name, address in ADDRESSES.items()), "both serve again")
        print(f"ok {victim} comes back: each has its own again")
    for host in hosts.values():
        host.process.terminate()
        host.process.wait(house.PATIENCE)


house.main(body)
