#!/usr/bin/env python3
"""Understudy beside Debian's keepalived, in network namespaces: who is active after what, for every form of VRRP.

Each cell of the matrix is one small network (our host, a bridge, its host) that is built, hurt and removed; many live at
one time. What it finds is compared with what docs/interop-keepalived.md says; `--write` writes that page instead. Every
frame our hosts send meanwhile is captured and shown to tshark, which must find all of them valid.

usage: keepalived-matrix.py BINARY [--write] [--page FILE] [--workers N] [--only WORD] [--attempts N] [--keep]
A cell that finds something else is run again, --attempts times in all: a machine that stood still is no defect of either
program. Exit status: 0 as the page says; 1 not so; 2 cannot run here.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from network import LIMIT, Host, Surprise, run  # noqa: E402

# Long enough that a machine that is busy for most of a second does not count as a dead host.
INTERVAL = {2: 1.0, 3: 0.5}
OUR_PRIORITY, ITS_PRIORITY = 150, 100
# How much later than the protocol says somebody may take over: starting a program, a loaded machine.
SLACK = 3.0
FORMS = [
    (version, family, transport)
    for version, family in ((2, 4), (3, 4), (3, 6))
    for transport in ("unicast", "multicast")
]
EVENTS = ["its death", "our death", "priority 0", "cable", "switch", "list differs", "wrong secret", "reload"]

# What must be found; where two forms differ, by version.
EXPECTED = {
    ("we", "its death"): "we stay",
    ("we", "our death"): "it takes over after its down interval",
    ("we", "priority 0"): "it takes over at once",
    ("we", "cable"): "it takes over, and stays after the heal",
    ("we", "switch"): "both while apart, we after the heal",
    ("we", "list differs"): "both: it refuses our list",
    ("we", "wrong secret"): "both: each refuses the other",
    ("we", "reload"): "we stay",
    ("it", "its death"): "we take over after our down interval",
    ("it", "our death"): "it stays",
    ("it", "priority 0"): "we take over at once",
    ("it", "cable"): "we take over, and stay after the heal",
    ("it", "switch"): "both while apart, we after the heal",
    ("it", "list differs"): "it stays",
    ("it", "wrong secret"): {2: "both: each refuses the other", 3: "it stays: we do not claim against what we cannot verify"},
    ("it", "reload"): "it stays",
}


def expected(who, event, version):
    words = EXPECTED[(who, event)]
    return words[version] if isinstance(words, dict) else words


def down_interval(version, priority):
    """RFC 3768, 5.3.2 and RFC 9568, 6.1."""
    interval = INTERVAL[version]
    return 3 * interval + (256 - priority) / 256 * (1 if version == 2 else interval)


class Cell:
    """One network, one event."""

    number = 0
    lock = threading.Lock()

    def __init__(self, options, form, who, event):
        with Cell.lock:
            Cell.number += 1
            self.prefix = f"usi{os.getpid()}x{Cell.number}"
        self.options, self.who, self.event = options, who, event
        self.version, self.family, self.transport = form
        self.virtual = {4: "10.9.0.10", 6: "fd09::10"}[self.family]
        self.length = {4: 24, 6: 64}[self.family]
        self.directory = f"{options.directory}/{self.prefix}"
        self.namespaces = []
        self.figure = ""
        self.us = self.it = None

    # Building

    def build(self):
        os.makedirs(self.directory)
        self.switch = f"{self.prefix}-sw"
        run("ip", "netns", "add", self.switch)
        self.namespaces.append(self.switch)
        run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0",
            "mcast_snooping", "0")
        run("ip", "-n", self.switch, "link", "set", "br0", "up")
        self.us = Host(self, "us", 1)
        self.it = Host(self, "it", 2)
        # Our side of the switch: what we send, before anything else has touched it.
        self.capture = subprocess.Popen(
            ["ip", "netns", "exec", self.switch, "tcpdump", "-i", "us", "-Q", "in", "-U", "-n", "-Z", "root",
             "-w", f"{self.directory}/sent.pcap", "ip proto 112 or ip6 proto 112 or arp or icmp6"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0)
        self.wait(lambda: os.path.exists(f"{self.directory}/sent.pcap"), "tcpdump does not begin")

    def remove(self):
        for host in (self.us, self.it):
            if host is not None:
                host.kill()
                host.monitor.kill()
                host.monitor.wait()
        if hasattr(self, "capture"):
            self.capture.terminate()
            self.capture.wait()
        for namespace in self.namespaces:
            run("ip", "netns", "del", namespace, check=False)

    def our_file(self, more=""):
        authentication = "none"
        if self.event == "wrong secret":
            authentication = "password mistake" if self.version == 2 else "hmac"
        elif self.version == 2:
            authentication = "password sesame"
        key = ""
        if authentication == "hmac":
            path = f"{self.directory}/vrrp.key"
            with open(path, "w", encoding="ascii") as file:
                os.chmod(path, 0o600)
                file.write("5e" * 32 + "\n")
            key = f"hmac-key 1 {path}"
        peer = f"peer {self.it.address[self.family]}" if self.transport == "unicast" else ""
        node = f"address {self.us.address[4]}" + (f"; address {self.us.address[6]}" if self.family == 6 else "")
        with open(f"{self.directory}/understudy.conf", "w", encoding="utf-8") as file:
            file.write(f"""# Written by keepalived-matrix.py.
user nobody
node us {{ {node}; priority {OUR_PRIORITY} }}
vrrp mqtt {{
    interface        eth0
    router-id        51
    version          {self.version}
    address          {self.virtual}/{self.length}
    advert-interval  {int(INTERVAL[self.version] * 1000)}ms
    transport        {self.transport}
    {peer}
    authentication   {authentication}
    {key}
    without-servers  ignored
    {more}
}}
listen mqtt {{ bind *:1883; use brokers }}
backend brokers {{ server one 127.0.0.1:1884 }}
admin {{ socket {self.directory}/admin.sock }}
log {{ to stderr; level debug }}
""")

    def its_file(self, priority=ITS_PRIORITY):
        unicast = ""
        if self.transport == "unicast":
            ours, its = self.us.address[self.family], self.it.address[self.family]
            unicast = f"unicast_src_ip {its}\n    unicast_peer {{\n        {ours}\n    }}\n    check_unicast_src"
            if self.family == 6:
                # Without it the kernel's hop limit, 64, which nobody on the same link has to believe.
                unicast += "\n    unicast_ttl 255"
        other = {4: "10.9.0.77", 6: "fd09::77"}[self.family] + f"/{self.length}" if self.event == "list differs" else ""
        password = "authentication {\n        auth_type PASS\n        auth_pass sesame\n    }" if self.version == 2 else ""
        with open(f"{self.directory}/keepalived.conf", "w", encoding="utf-8") as file:
            file.write(f"""vrrp_instance mqtt {{
    state BACKUP
    nopreempt
    version {self.version}
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {INTERVAL[self.version]:g}
    {unicast}
    {password}
    virtual_ipaddress {{
        {self.virtual}/{self.length} dev eth0
        {other}
    }}
}}
""")

    # Acts

    def wait(self, condition, complaint, limit=LIMIT):
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                raise Surprise(complaint)
            time.sleep(0.05)

    def start_us(self):
        self.our_file()
        return self.us.start(
            [self.options.binary, "run", "--config", f"{self.directory}/understudy.conf", "--node", "us"], "us.log")

    def start_it(self):
        self.its_file()
        return self.it.start(
            ["keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp",
             "--use-file", f"{self.directory}/keepalived.conf", "--pid", f"{self.directory}/keepalived.pid",
             "--vrrp_pid", f"{self.directory}/keepalived-vrrp.pid"], "it.log")

    def logged(self, log, words):
        with open(f"{self.directory}/{log}", encoding="utf-8", errors="replace") as file:
            return words in file.read()

    def our_answer(self, *words):
        """What our command line says inside our host."""
        return run("ip", "netns", "exec", self.us.namespace, self.options.binary, *words, "--config",
                   f"{self.directory}/understudy.conf")

    def long(self):
        """As long as it takes anybody who hears nothing to become active, and two adverts more."""
        return down_interval(self.version, ITS_PRIORITY) + 2 * INTERVAL[self.version]

    def holders(self):
        return [name for name, host in (("us", self.us), ("it", self.it)) if host.holds()]

    def settle(self):
        """One is active, and the other one has heard it for longer than silence would be borne."""
        refuses = self.event in ("list differs", "wrong secret")
        if self.who == "we":
            self.ours = self.start_us()
            self.wait(self.us.holds, "we do not become active")
            self.its = self.start_it()
            # keepalived needs a moment until it counts.
            self.wait(lambda: self.logged("it.log", "Entering BACKUP STATE"), "keepalived does not start")
        else:
            self.its = self.start_it()
            self.wait(self.it.holds, "keepalived does not become active")
            self.ours = self.start_us()
            self.wait(lambda: os.path.exists(f"{self.directory}/admin.sock"), "we do not start")
        time.sleep(self.long() + INTERVAL[self.version])
        if not refuses and self.holders() != ["us" if self.who == "we" else "it"]:
            raise Surprise(f"before the event: {self.holders()} active")

    def takes_over(self, host, since, priority, name):
        """Waits until a host has the address; says after what."""
        self.wait(lambda: host.took(since) is not None, f"{name} does not take over")
        late = host.took(since) - since
        self.figure = f"{late:.2f} s"
        if late < 2 * INTERVAL[self.version] - 0.1:
            return "at once"
        down = down_interval(self.version, priority)
        # The last advert before the silence is up to an interval old.
        if not down - INTERVAL[self.version] - 0.1 <= late <= down + SLACK:
            raise Surprise(f"{name} takes over after {late:.2f} s; its down interval is {down:.2f} s")
        return "after its down interval" if name == "it" else "after our down interval"

    def stays(self):
        before = len(self.us.changes) + len(self.it.changes)
        time.sleep(self.long())
        if len(self.us.changes) + len(self.it.changes) != before or len(self.holders()) != 1:
            raise Surprise(f"something moved: {self.holders()} active")
        return "we stay" if self.holders() == ["us"] else "it stays"

    # Events

    def happen(self):
        """Does it, and says in the words of the table what came of it."""
        other, priority = (self.it, ITS_PRIORITY) if self.who == "we" else (self.us, OUR_PRIORITY)
        name = "it" if other is self.it else "we"
        take, stay = ("it takes over", "stays") if name == "it" else ("we take over", "stay")
        active = self.us if self.who == "we" else self.it
        now = time.monotonic()
        if self.event in ("its death", "our death"):
            victim = self.it if self.event == "its death" else self.us
            victim.kill()
            if victim is not active:
                if victim is self.it and self.version == 3 and self.family == 4:
                    # Nobody is left who minds; so that the capture has the other checksum as well.
                    self.our_file("checksum message-only")
                    self.our_answer("reload")
                return self.stays()
            how = self.takes_over(other, now, priority, name)
            if victim is self.us:
                # What systemd does after us (ExecStopPost); keepalived has nothing like it, its address stays.
                run("ip", "netns", "exec", self.us.namespace, self.options.binary, "release")
                if self.us.holds():
                    raise Surprise("our address is still there after understudy release")
            return f"{take} {how}"
        if self.event == "priority 0":
            (self.ours if self.who == "we" else self.its).terminate()
            how = self.takes_over(other, now, priority, name)
            self.wait(lambda: not active.holds(), "who left keeps the address")
            return f"{take} {how}"
        if self.event == "cable":
            active.link("down")
            self.takes_over(other, now, priority, name)
            self.wait(lambda: len(self.holders()) == 1, "two holders while the cable is out")
            active.link("up")
            time.sleep(self.long())
            if self.holders() != ["it" if name == "it" else "us"]:
                raise Surprise(f"after the heal: {self.holders()} active")
            return f"{take}, and {stay} after the heal"
        if self.event == "switch":
            active.bridge_port(0)
            self.takes_over(other, now, priority, name)
            if len(self.holders()) != 2:
                raise Surprise(f"apart: {self.holders()} active")
            active.bridge_port(3)
            healed = time.monotonic()
            self.wait(lambda: len(self.holders()) == 1, "two holders after the heal", LIMIT)
            self.figure += f", healed in {time.monotonic() - healed:.2f} s"
            word = self.stays()
            return "both while apart, we after the heal" if word == "we stay" else "both while apart, it after the heal"
        if self.event == "reload":
            self.our_file("priority us 160; down-timer-adverts 4")
            self.our_answer("reload")
            self.its_file(ITS_PRIORITY + 10)
            self.its.send_signal(signal.SIGHUP)
            return self.stays()
        if self.event == "list differs":
            if self.holders() == ["us", "it"]:
                words = ("unexpected ip number count", "not present in")
                why = "it refuses our list" if any(self.logged("it.log", word) for word in words) else "for no reason"
                return f"both: {why}"
            return self.stays()
        if self.event == "wrong secret":
            refused = re.findall(r'"(auth-mismatch|hmac-missing)":\s*([1-9]\d*)', self.our_answer("status", "--json"))
            words = ("received an invalid passwd", "vrrp packet too long")
            its = any(self.logged("it.log", word) for word in words)
            holders = self.holders()
            if not refused:
                raise Surprise(f"we refuse nothing; {holders} active")
            if holders == ["us", "it"]:
                return "both: each refuses the other" if its else "both: only we refuse"
            if holders == ["it"]:
                return "it stays: we do not claim against what we cannot verify"
            raise Surprise(f"{holders} active")
        raise Surprise("no such event")

    def find(self):
        """Builds, hurts, removes.

        Returns: the words of the table, and how long it took."""
        try:
            self.build()
            self.settle()
            return self.happen(), self.figure
        except Exception as error:  # a cell must never take the others along
            return f"surprise: {error}", ""
        finally:
            self.remove()


def attempt(options, form, who, event):
    for number in range(options.attempts):
        cell = Cell(options, form, who, event)
        words, figure = cell.find()
        if words == expected(who, event, form[0]):
            break
        print(f"attempt {number + 1}: {title(form)}, {who} active, {event}: {words} [{cell.prefix}]", flush=True)
    return (form, who, event), (words, figure)


def title(form):
    return f"v{form[0]}, IPv{form[1]}, {form[2]}"


def keepalived_version():
    text = subprocess.run(["keepalived", "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    found = re.search(r"v(\d+\.\d+\.\d+)", text)
    return found.group(1) if found else "?"


NAMES = {
    "its death": "keepalived is killed (-9)",
    "our death": "all of Understudy is killed (-9), systemd's `understudy release` follows",
    "priority 0": "the active one is stopped in good order: priority 0",
    "cable": "the active one's cable is pulled, and put back",
    "switch": "a switch separates them, and heals",
    "list differs": "keepalived has one address more",
    "wrong secret": "version 2: other passwords; version 3: we demand an HMAC",
    "reload": "both reload with other priorities and timers",
}


def page(found):
    """The Markdown page."""
    lines = [
        "# Beside keepalived, cell by cell",
        "",
        "Written by `Tests/Interop/keepalived-matrix.py BINARY --write`; `make test` runs the same cells and compares. Every cell",
        f"is a network of its own: Understudy at priority {OUR_PRIORITY}, Debian's keepalived {keepalived_version()} at priority "
        f"{ITS_PRIORITY} with `nopreempt`, a switch",
        f"between them. Adverts every {INTERVAL[2]:g} s in version 2 and every {INTERVAL[3]:g} s in version 3, passwords in version 2, "
        "no authentication in version 3.",
        "The time behind the words is that of the run that wrote the page, from the event to the address at the new host; it is",
        "not compared.",
    ]
    for who, heading in (("we", "We are active"), ("it", "keepalived is active")):
        lines += ["", f"## {heading}", ""]
        lines.append("| what happens | " + " | ".join(title(form) for form in FORMS) + " |")
        lines.append("|---|" + "---|" * len(FORMS))
        for event in EVENTS:
            cells = []
            for form in FORMS:
                words, figure = found[(form, who, event)]
                cells.append(words + (f" ({figure})" if figure else ""))
            lines.append(f"| {NAMES[event]} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## How to read it",
        "",
        "- Version 2 over IPv6 does not exist: RFC 3768 has IPv4 only, and keepalived speaks version 3 over IPv6 whatever it is told.",
        "- *At once*: within two adverts; otherwise within the down interval, 3 adverts and the skew of the one that takes over.",
        "- *Both: it refuses our list*: keepalived before 2.3.3 drops every advert whose addresses are not its own. We take them, and",
        "  count that they differ (`addresses_differ`). So change both lists at the same time, keepalived's first while it is backup.",
        "- *Both: each refuses the other*: two programs that do not believe one another are two active routers, as VRRP has it. With",
        "  version 3 we go on saying what keepalived calls *too long*, so it becomes active beside us; but we do not become active",
        "  against a router whose adverts we have never been able to verify.",
        "- IPv6 with unicast: keepalived sends with the kernel's hop limit, 64, unless it is told `unicast_ttl 255`, as it is here.",
        "  Otherwise we refuse its adverts (`bad-ttl`).",
        "- After a switch has healed the higher priority wins, here ours. A host whose cable was out knows, and comes back as backup.",
        "- keepalived that is killed leaves its address behind; we announce ours again.",
        "",
    ]
    return "\n".join(lines)


def words_of(text):
    """The cells of a page without their times."""
    return [re.sub(r" \([^|()]*\)(?= \|)", "", line) for line in text.splitlines() if line.startswith("| ")]


def show_tshark(options):
    """Has tshark look at everything our hosts have sent.

    Returns: complaints."""
    files = []
    for root, _, names in os.walk(options.directory):
        files += [os.path.join(root, name) for name in names if name == "sent.pcap"]
    checker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tshark-check.py")
    result = subprocess.run([sys.executable, checker, *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(result.stdout.strip(), flush=True)
    return [] if result.returncode == 0 else ["tshark finds fault with what we send"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--page", default=os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "interop-keepalived.md"))
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    needed = ["ip", "bridge", "tcpdump", "keepalived", "tshark"]
    missing = [program for program in needed if shutil.which(program) is None]
    if os.geteuid() != 0 or missing:
        print("needs root" if os.geteuid() != 0 else f"needs {', '.join(missing)}", file=sys.stderr)
        return 2
    # Ending by signal must remove the namespaces as well: it becomes an exception, and every cell cleans up behind itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    options.directory = tempfile.mkdtemp(prefix="understudy-interop-")
    os.chmod(options.directory, 0o755)
    began = time.monotonic()
    cells = [(form, who, event) for event in EVENTS for who in ("we", "it") for form in FORMS]
    cells = [cell for cell in cells if options.only in f"{title(cell[0])}, {cell[1]}, {cell[2]}"]
    # The slow ones first.
    cells.sort(key=lambda cell: cell[0][0])
    with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
        found = dict(pool.map(lambda cell: attempt(options, *cell), cells))
    complaints = [
        f"{title(form)}, {who} active, {event}: {words}; expected: {expected(who, event, form[0])}"
        for (form, who, event), (words, _) in found.items() if words != expected(who, event, form[0])
    ]
    complaints += show_tshark(options)
    if not options.only:
        text = page(found)
        if options.write:
            if not complaints:
                with open(options.page, "w", encoding="utf-8") as file:
                    file.write(text)
        else:
            with open(options.page, encoding="utf-8") as file:
                if words_of(file.read()) != words_of(text):
                    complaints.append(f"{os.path.normpath(options.page)} says something else; --write writes it")
    for complaint in complaints:
        print(complaint)
    print(f"{len(found)} cells in {time.monotonic() - began:.0f} s, {len(complaints)} complaints")
    if complaints or options.keep:
        print(f"logs and captures: {options.directory}")
    else:
        shutil.rmtree(options.directory)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
