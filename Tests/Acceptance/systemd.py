"""The Debian package under a real systemd: installed, started, reloaded, killed piece by piece, upgraded, stopped, removed.

A systemd of its own is process 1 of a namespace, with an overlay over this machine's files, which forgets what was done to it,
and a cgroup of its own. Nothing of the machine's systemd, if it has one, is touched.

usage: systemd.py
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import house
from house import expect, wait_for

ADDRESS = "10.78.0.10"
SESSIONS = 20
CONFIGURATION = """
node lb1 { address 10.78.0.11; priority 150 }
vrrp mqtt { interface eth0; router-id 51; address 10.78.0.10/24; advert-interval 100ms; transport multicast; authentication none }
listen mqtt { bind *:1884; use broker }
listen mqtts { bind *:8883; use broker; tls { certificate /etc/understudy/combined.pem } }
backend broker { server one 10.77.0.1:1883; check tcp every 1s; stick on client-id table sessions }
stick-table sessions { key client-id; size 1k }
admin { socket /run/understudy/admin.sock }
log { to journal }
user understudy
"""
# What a machine starts and a test has no use for.
MASKED = """systemd-sysctl.service systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service
systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-binfmt.service systemd-timesyncd.service
systemd-remount-fs.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup.service systemd-random-seed.service
systemd-update-utmp.service systemd-machine-id-commit.service systemd-firstboot.service systemd-networkd.service
systemd-networkd-wait-online.service systemd-logind.service systemd-journal-flush.service systemd-sysusers.service
sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount
dev-mqueue.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount tmp.mount timers.target sockets.target""".split()
BOOT = """set -e
echo $$ > {cgroup}/cgroup.procs
exec unshare --mount --pid --fork --kill-child --ipc --uts --cgroup bash -c '
set -e
mount -t overlay overlay -o lowerdir=/,upperdir={place}/upper,workdir={place}/work {place}/root
cd {place}/root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target --show-status=no
'
"""


class Machine:
    """A systemd and the files it sees."""

    def __init__(self):
        place = house.SCRATCH / "machine"
        place.mkdir()
        # An overlay cannot lie on another one's files; memory can.
        house.run("mount", "-t", "tmpfs", "tmpfs", place)
        for name in ("upper", "work", "root", "cgroups"):
            (place / name).mkdir()
        self.upper = place / "upper"
        units = self.upper / "etc/systemd/system"
        units.mkdir(parents=True)
        for unit in MASKED:
            (units / unit).symlink_to("/dev/null")
        for file, text in [("etc/fstab", ""), ("etc/machine-id", "0" * 31 + "1\n")]:
            (self.upper / file).write_text(text)
        house.run("mount", "-t", "cgroup2", "cgroup2", place / "cgroups")
        self.cgroup = place / "cgroups" / f"understudy-systemd-{os.path.basename(house.SCRATCH)}"
        self.cgroup.mkdir()
        self.starter = house.start("systemd", ["bash", "-c", BOOT.format(place=place, cgroup=self.cgroup)])
        self.init = wait_for(self.find, "systemd")
        wait_for(lambda: self.run("systemctl", "is-active", "basic.target", check=False).strip() == "active",
                 lambda: "basic.target: " + house.log_of("systemd"))

    def find(self):
        expect(self.starter.poll() is None, "systemd ended:", house.log_of("systemd"))
        return next((pid for pid, line in house.command_lines() if line.startswith(b"/lib/systemd/systemd\0--system\0")), None)

    def run(self, *words, check=True, **more):
        return house.run("nsenter", "--target", self.init, "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd=/", *words,
                         check=check, **more)

    def place(self, path, source):
        """Copies a file into the machine."""
        target = f"/proc/{self.init}/root{path}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)

    def write(self, path, text):
        target = pathlib.Path(f"/proc/{self.init}/root{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def properties(self):
        lines = self.run("systemctl", "show", "understudy.service").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def processes(self):
        """Number, as seen from here, and role of what is in the service's cgroup."""
        found = {}
        for number in (self.cgroup / "system.slice/understudy.service/cgroup.procs").read_text().split():
            try:
                words = open(f"/proc/{number}/cmdline", "rb").read().split(b"\0")
                name = open(f"/proc/{number}/comm").read().strip()
            except OSError:
                continue
            roles = {"understudy": "keeper", "understudy-sup": "supervisor"}
            found[int(number)] = words[1].decode() if words[1:2] not in ([b"run"], []) else roles.get(name, name)
        return found

    def process(self, role):
        """The one process with such a role."""
        found = [pid for pid, its in self.processes().items() if its == role]
        expect(len(found) == 1, role, "is", found, "of", self.processes())
        return found[0]

    def journal(self):
        return self.run("journalctl", "--unit=understudy", "--output=cat", "--no-pager").splitlines()

    def serves(self, role):
        """Whether the process of a role says so; the supervisor does by answering."""
        answer = self.run("understudy", "status", "--json", check=False)
        phases = {p["role"]: p["phase"] for p in json.loads(answer)["processes"]} if answer.startswith("{") else {}
        return phases.get(role) == "serving" if role != "supervisor" else bool(phases)

    def end(self):
        """Nothing of it stays."""
        (self.cgroup / "cgroup.kill").write_text("1")
        wait_for(lambda: "populated 0" in (self.cgroup / "cgroup.events").read_text(), "the end of systemd")
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(folder)


def has_address():
    return f"{ADDRESS}/" in house.run("ip", "address", "show", "dev", "eth0")


class Fleet:
    """Sessions that must outlive what happens."""

    def __init__(self, first, context):
        """Half of them over TLS, half of MQTT 5.0."""
        self.clients = [
            house.Client(8883 if n % 4 > 1 else 1884, f"device-{first + n}", host=ADDRESS, level=5 if n % 2 else 4,
                         tls=context if n % 4 > 1 else None) for n in range(SESSIONS)]

    def ping(self, why):
        for number, client in enumerate(self.clients):
            try:
                client.ping()
            except (OSError, house.Failure) as error:
                raise house.Failure(f"{why}: session {number} of {SESSIONS}: {error}") from error


def script(machine):
    house.run(house.ROOT / "packaging/make-deb.sh", house.BINARY, house.SCRATCH)
    machine.place("/var/understudy.deb", next(house.SCRATCH.glob("understudy_*.deb")))
    machine.write("/etc/understudy/understudy.conf", CONFIGURATION)
    folder = house.certificates(house.SCRATCH / "tls")
    machine.write("/etc/understudy/combined.pem", (folder / "combined.pem").read_text())
    os.chmod(f"/proc/{machine.init}/root/etc/understudy/combined.pem", 0o600)
    machine.run("dpkg", "--install", "--force-confold", "/var/understudy.deb")
    print("ok installed")

    machine.run("systemctl", "start", "understudy.service")
    before = machine.properties()
    expect(before["ActiveState"] == "active" and before["SubState"] == "running", before)
    wait_for(has_address, "the address")
    fleet = Fleet(0, house.client_context(folder))
    fleet.ping("at the start")
    print("ok started:", before["StatusText"])
    # What the unit forbids and the balancer does by itself have to go together.
    balancer = machine.process("balancer")
    filters = next(line.split()[1] for line in open(f"/proc/{balancer}/status") if line.startswith("Seccomp_filters:"))
    expect(int(filters) > 1, "the balancer has no filter of its own:", filters)
    expect("secretmem" in open(f"/proc/{balancer}/maps").read(), "keys are in memory like any other:", machine.journal())
    refused = [line for line in machine.journal() if "not permitted" in line and "RLIMIT_NOFILE" not in line]
    expect(not refused, "the unit forbids what is needed:", *refused)
    print("ok under the unit's rights: system calls filtered twice, keys in secret memory, nothing refused")

    status = machine.run("understudy", "status")
    expect("broker" in status, status)
    machine.write("/etc/understudy/understudy.conf", CONFIGURATION.replace("size 1k", "size 1k; expire 7m"))
    machine.run("systemctl", "reload", "understudy.service")
    machine.write("/etc/understudy/understudy.conf", CONFIGURATION.replace("use broker", "use nobody"))
    refused = machine.run("systemctl", "reload", "understudy.service", check=False)
    expect("failed" in refused.lower(), "a broken file is not refused:", refused)
    machine.write("/etc/understudy/understudy.conf", CONFIGURATION)
    expect(machine.properties()["ActiveState"] == "active", machine.properties())
    fleet.ping("after reloads")
    print("ok reloaded, and a broken file was refused")

    for role in ("balancer", "supervisor", "vip"):
        old = machine.process(role)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: [pid for pid, its in machine.processes().items() if its == role and pid != old], f"another {role}")
        wait_for(has_address, "the address")
        wait_for(lambda: machine.serves(role), f"a serving {role}")
        fleet.ping(f"{role} killed")
        now = machine.properties()
        expect(now["MainPID"] == before["MainPID"] and now["NRestarts"] == "0", role, now["MainPID"], now["NRestarts"])
        print(f"ok {role} killed: every session lives, no event for systemd")

    machine.run("dpkg", "--install", "--force-confold", "/var/understudy.deb")
    now = machine.properties()
    expect(now["MainPID"] == before["MainPID"] and now["NRestarts"] == "0" and now["ActiveState"] == "active", now)
    expect(any("pgrade" in line for line in machine.journal()), "nobody has upgraded:", machine.journal())
    fleet.ping("after the upgrade")
    print("ok upgraded by dpkg: every session lives")

    former = set(machine.processes())
    for word, number, restarts in [("killed", signal.SIGKILL, "1"), ("stopped, ended by the watchdog", signal.SIGSTOP, "2")]:
        os.kill(machine.process("keeper"), number)
        wait_for(lambda: machine.properties()["NRestarts"] == restarts and machine.properties()["ActiveState"] == "active",
                 lambda: f"a restart: {machine.properties()}")
        wait_for(has_address, "the address")
        expect(not former & set(machine.processes()), "processes of before:", former, machine.processes())
        former = set(machine.processes())
        fleet = Fleet(100, house.client_context(folder))
        print(f"ok keeper {word}: everything starts anew")

    machine.run("systemctl", "stop", "understudy.service")
    now = machine.properties()
    expect(now["ActiveState"] == "inactive" and now["Result"] == "success", now["ActiveState"], now["Result"])
    expect(not has_address(), "the address is still there")
    for number, client in enumerate(fleet.clients):
        rest = client.socket.recv(100)
        expect(rest[:1] == b"\xe0" and rest[2:3] == b"\x8b" if number % 2 else rest == b"", number, "was told", rest)
    print("ok stopped: MQTT 5.0 clients were told, the address is gone")

    machine.run("systemctl", "start", "understudy.service")
    wait_for(has_address, "the address")
    machine.run("understudy", "stop")
    wait_for(lambda: machine.properties()["ActiveState"] == "inactive", "the end")
    time.sleep(1)
    expect(machine.properties()["ActiveState"] == "inactive", "restarted after an operator's stop")
    expect(not has_address(), "the address is still there")
    print("ok `understudy stop` is an end")

    machine.run("systemctl", "start", "understudy.service")
    machine.run("dpkg", "--remove", "understudy")
    wait_for(lambda: not has_address(), "the address to go")
    expect(machine.properties()["ActiveState"] == "inactive", machine.properties()["ActiveState"])
    print("ok removed")


def main():
    house.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    for end in ("eth0", "eth1"):
        house.run("ip", "link", "set", end, "up")
    house.run("ip", "address", "add", "10.78.0.11/24", "dev", "eth0")
    house.run("ip", "address", "add", "10.77.0.1/32", "dev", "lo")
    (house.SCRATCH / "mosquitto.conf").write_text("listener 1883 10.77.0.1\nallow_anonymous true\nuser root\n")
    house.start("mosquitto", ["mosquitto", "-c", house.SCRATCH / "mosquitto.conf"])
    wait_for(lambda: house.is_open("10.77.0.1", 1883), "the broker")
    machine = Machine()
    try:
        script(machine)
    except Exception:
        print(machine.run("journalctl", "--no-pager", "--lines=60", check=False))
        raise
    finally:
        machine.end()


house.main(main)
