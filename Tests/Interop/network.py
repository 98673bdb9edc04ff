"""Hosts on a switch, in network namespaces, for the scripts beside this file."""

import os
import signal
import subprocess
import threading
import time

# The longest wait for anything that must happen.
LIMIT = 30.0


class Surprise(Exception):
    """The cell did not even come to the state in which the event happens, or ended in a state that has no name."""


def run(*words, check=True):
    result = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and result.returncode != 0:
        raise Surprise(f"{' '.join(words)}: {result.stdout.strip()}")
    return result.stdout


class Host:
    """A namespace with eth0 at the bridge, and a watcher of its virtual address."""

    def __init__(self, cell, name, octet):
        self.cell, self.name, self.namespace = cell, name, f"{cell.prefix}-{name}"
        self.address = {4: f"10.9.0.{octet}", 6: f"fd09::{octet}"}
        self.changes = []
        self.programs = []
        run("ip", "netns", "add", self.namespace)
        cell.namespaces.append(self.namespace)
        settings = "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0".split()
        run("ip", "netns", "exec", self.namespace, "sysctl", "-qw", *settings)
        ip = ["ip", "-n", self.namespace]
        run(*ip, "link", "set", "lo", "up")
        run(*ip, "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", cell.switch)
        run(*ip, "address", "add", self.address[4] + "/24", "dev", "eth0")
        run(*ip, "address", "add", self.address[6] + "/64", "dev", "eth0")
        run(*ip, "link", "set", "eth0", "up")
        run("ip", "-n", cell.switch, "link", "set", name, "master", "br0", "up")
        self.monitor = subprocess.Popen(
            ["ip", "-n", self.namespace, "-o", "monitor", "address"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        needle, held = f" {self.cell.virtual}/", False
        for line in self.monitor.stdout:
            if needle not in line:
                continue
            # What is merely renewed or altered is told as an address too.
            holds = not line.startswith("Deleted")
            if holds != held:
                self.changes.append((time.monotonic(), holds))
                held = holds

    def holds(self):
        """What the kernel says now."""
        return f" {self.cell.virtual}/" in run("ip", "-n", self.namespace, "-o", "address", "show", "dev", "eth0")

    def took(self, since):
        """When it got the address, after a time."""
        return next((at for at, holds in self.changes if holds and at >= since), None)

    def start(self, words, log):
        with open(f"{self.cell.directory}/{log}", "ab") as output:
            program = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                # As a service manager starts it: it shares neither this script's signals nor its share of the cores.
                start_new_session=True)
        self.programs.append(program)
        return program

    def kill(self):
        """Everything at once: stopped first, so that nobody sees the others die and says goodbye."""
        pids = [int(word) for word in run("ip", "netns", "pids", self.namespace).split()]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        for program in self.programs:
            program.wait(LIMIT)

    def link(self, *words):
        run("ip", "-n", self.cell.switch, "link", "set", self.name, *words)

    def bridge_port(self, state):
        run("bridge", "-n", self.cell.switch, "link", "set", "dev", self.name, "state", str(state))
