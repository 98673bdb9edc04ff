"""Real clients through every kind of listener and every version of MQTT: paho, mosquitto_pub and mosquitto_sub.

usage: clients.py [LISTENER…]     tcp tls ws wss ws-ws opaque opaque-tls; all of them when none is named
"""

import hashlib
import os
import queue
import select
import subprocess
import sys
import threading
import time

import paho.mqtt.client as paho

import house
from house import expect, run, wait_for

PORTS = {"tcp": 1883, "tls": 8883, "ws": 8083, "wss": 8084, "ws-ws": 8085, "opaque": 2883, "opaque-tls": 2884}
ENCRYPTED = {"tls", "wss", "opaque-tls"}
FRAMED = {"ws", "wss", "ws-ws"}
VERSIONS = {"3.1": paho.MQTTv31, "3.1.1": paho.MQTTv311, "5.0": paho.MQTTv5}
LARGE = 10_000_000

CONFIGURATION = """
listen tcp { bind *:1883; use broker }
listen tls { bind *:8883; use broker; tls { certificate @/combined.pem } }
listen ws  { bind *:8083; use broker; protocol mqtt over websocket path /mqtt }
listen wss { bind *:8084; use broker; protocol mqtt over websocket path /mqtt; tls { certificate @/combined.pem } }
listen ws-ws { bind *:8085; use framed; protocol mqtt over websocket path /mqtt }
listen opaque { bind *:2883; use passed; protocol tcp }
listen opaque-tls { bind *:2884; use passed; protocol tcp; tls { certificate @/combined.pem } }
backend broker { server one 10.77.0.1:1883; stick on client-id table sessions; check mqtt every 500ms }
backend framed { server one 10.77.0.1:8083 websocket /mqtt; check tcp every 500ms }
backend passed { server one 10.77.0.1:1883; check tcp every 500ms }
stick-table sessions { size 1000 }
loops 2
"""


class Whole:
    """A socket that sends all or waits: paho 1.6 forgets the rest of a WebSocket frame that the kernel took in part (so it
    does towards mosquitto without a balancer)."""

    def __init__(self, raw):
        self.raw = raw

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def send(self, data):
        left = memoryview(data)
        while left:
            select.select([], [self.raw], [], house.PATIENCE)
            left = left[self.raw.send(left):]
        return len(data)


class Device:
    """One paho client that notes what happens to it."""

    def __init__(self, listener, version, name, clean=True, will=None):
        self.version = VERSIONS[version]
        more = {} if self.version == paho.MQTTv5 else {"clean_session": clean}
        self.client = paho.Client(
            name, protocol=self.version, transport="websockets" if listener in FRAMED else "tcp", **more)
        if listener in FRAMED:
            self.client.ws_set_options(path="/mqtt")
        if listener in ENCRYPTED:
            self.client.tls_set_context(house.client_context(house.SCRATCH / "tls"))
        if will:
            self.client.will_set(*will)
        # paho would come back by itself, and take its successor's session over.
        self.client.reconnect_delay_set(600, 600)
        self.messages, self.connected, self.gone, self.granted = (queue.Queue() for _ in range(4))
        self.client.on_connect = lambda c, u, flags, code, *p: self.connected.put((flags, code))
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_disconnect = lambda c, u, code, *p: self.gone.put(code)
        self.client.on_subscribe = lambda c, u, mid, *p: self.granted.put(mid)
        self.client.connect("127.0.0.1", PORTS[listener], keepalive=60)
        if listener in FRAMED and listener not in ENCRYPTED:
            wrapper = self.client.socket()
            wrapper._socket = Whole(wrapper._socket)
        self.client.loop_start()
        flags, code = self.connected.get(timeout=house.PATIENCE)
        expect(code == 0, name, "is refused with", code)
        self.session_present = flags["session present"]

    def subscribe(self, topic, qos=2):
        self.client.subscribe(topic, qos)
        self.granted.get(timeout=house.PATIENCE)

    def publish(self, topic, payload, qos, retain=False):
        self.client.publish(topic, payload, qos, retain).wait_for_publish(house.PATIENCE)

    def next(self):
        return self.messages.get(timeout=house.PATIENCE)

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """The cable is cut: no DISCONNECT."""
        raw = self.client.socket()
        raw = getattr(raw, "_socket", raw)
        raw.shutdown(2)


def everything(listener, version, payload):
    base = f"{listener}/{version}".replace(".", "")
    name = base.replace("/", "-")
    first = Device(listener, version, f"{name}-first")
    first.subscribe(f"{base}/#")
    # QoS 0, 1, 2: each once, in order, with its quality.
    for qos in (0, 1, 2):
        first.publish(f"{base}/qos", f"message {qos}", qos)
        message = first.next()
        expect(message.payload == f"message {qos}".encode() and message.qos == qos, "came", message.payload, message.qos)
    # Retained: for who comes later.
    first.publish(f"{base}/kept", "kept", 1, retain=True)
    expect(first.next().retain == 0, "a live message says that it was retained")
    second = Device(listener, version, f"{name}-second", will=(f"{base}/will", "last words", 1))
    second.subscribe(f"{base}/kept")
    message = second.next()
    expect(message.payload == b"kept" and message.retain == 1, "retained came", message.payload, message.retain)
    first.publish(f"{base}/kept", "", 1, retain=True)
    first.next()
    # Will: who vanishes has the last word.
    second.vanish()
    expect(first.next().payload == b"last words", "no will came")
    # Large, up and down, byte for byte. mosquitto 2.0.11 stops in the middle of what it sends into a WebSocket when the
    # socket is full once, also without a balancer: there, what goes up is heard through another listener.
    hearer, place = first, f"{base}/large"
    if listener == "ws-ws":
        hearer, place = Device("tcp", version, f"{name}-hearer"), f"up/{base}"
        hearer.subscribe(place)
    first.publish(place, payload, 1)
    back = hearer.next().payload
    expect(
        len(back) == len(payload) and hashlib.sha256(back).digest() == hashlib.sha256(payload).digest(),
        "the large message came changed:", len(back), "of", len(payload))
    if hearer is not first:
        hearer.end()
    # Takeover: the second with a name ends the first (mosquitto 2.0 closes it without a word, in 5.0 too).
    twin = Device(listener, version, f"{name}-first")
    first.gone.get(timeout=house.PATIENCE)
    twin.end()
    expect(first.messages.empty(), "a message came twice")


def tools(listener, version, payload):
    """mosquitto_sub and mosquitto_pub; they know no WebSocket."""
    flags = ["-h", "127.0.0.1", "-p", PORTS[listener], "-V", {"3.1": "31", "3.1.1": "311", "5.0": "5"}[version], "-q", "2"]
    if listener in ENCRYPTED:
        flags += ["--cafile", house.SCRATCH / "tls/ca.pem", "--insecure"]
    name = f"tools-{listener}-{version}".replace(".", "")
    flags = [str(flag) for flag in flags]
    subscriber = subprocess.Popen(
        ["mosquitto_sub", *flags, "-i", name, "-t", name, "-C", "1", "-N"], stdout=subprocess.PIPE)
    wait_for(lambda: f"Sending SUBACK to {name}" in house.log_of("broker"), f"{name} does not subscribe")
    sent = house.SCRATCH / f"{name}.bin"
    sent.write_bytes(payload)
    run("mosquitto_pub", *flags, "-i", f"{name}-pub", "-t", name, "-f", sent)
    got, _ = subscriber.communicate(timeout=house.PATIENCE)
    expect(got == payload, name, "came changed:", len(got), "of", len(payload))


def smoke(listener, version):
    """`understudy test`, as an operator would run it."""
    scheme = {(False, False): "mqtt", (True, False): "mqtts", (False, True): "ws", (True, True): "wss"}[
        listener in ENCRYPTED, listener in FRAMED]
    shown = run(
        house.BINARY, "test", f"{scheme}://127.0.0.1:{PORTS[listener]}", "--insecure", "--version", version.removesuffix(".0"))
    expect("FAILED" not in shown and "receive" in shown, shown)
    print(f"ok {listener} {version} understudy test\n", end="")


def shutdown(broker, listeners):
    """The server ends every session: each client hears it, whichever way it came."""
    devices = [
        (listener, version, Device(listener, version, f"end-{listener}-{version}"))
        for listener in listeners for version in VERSIONS]
    broker.terminate()
    for listener, version, device in devices:
        device.gone.get(timeout=house.PATIENCE)
        print(f"ok {listener} {version} server-initiated disconnect")


def body():
    listeners = sys.argv[1:] or list(PORTS)
    house.build_hosts({"broker": ["10.77.0.1"]})
    house.certificates(house.SCRATCH / "tls")
    broker = house.mosquitto("broker", "10.77.0.1")
    balancer = house.Balancer(CONFIGURATION.replace("@", str(house.SCRATCH / "tls")))
    wait_for(lambda: all(s.get("status") == "up" for s in balancer.servers().values()), lambda: balancer.servers())
    large = os.urandom(LARGE)
    small = large[:300_000]
    errors = []

    def one(listener):
        for version in VERSIONS:
            began = time.monotonic()
            try:
                payload = large if version == "3.1.1" else small
                everything(listener, version, payload)
                if listener not in FRAMED:
                    tools(listener, version, payload)
                smoke(listener, version)
                print(f"ok {listener} {version} in {time.monotonic() - began:.1f} s\n", end="")
            except Exception as error:
                import traceback
                errors.append(f"{listener} {version}: {error!r}\n{traceback.format_exc()}")
                return

    threads = [threading.Thread(target=one, args=(listener,), daemon=True) for listener in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(house.PATIENCE * 4)
        expect(not thread.is_alive(), "a client hangs")
    expect(not errors, "\n".join(errors))
    shutdown(broker, listeners)
    wait_for(lambda: not balancer.clients(), lambda: f"left behind: {balancer.clients()}")
    balancer.stop()


house.main(body)
