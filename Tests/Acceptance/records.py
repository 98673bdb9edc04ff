"""Both record layers, side by side, with other people's TLS: the same listener with `records native` and with `records openssl`,
and an echo behind it. Every client gets back what it sent, byte for byte; hostile clients get the same verdict from both.

usage: records.py [MEGABYTES] [part ...]     5 when not named; parts: openssl python gnutls mbedtls wolfssl mqtt hostile conversations
"""

import ctypes
import hashlib
import os
import random
import re
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import house
from house import expect, run

LISTENER = """
listen LAYER { bind *:PORT; protocol tcp; use echo; backlog 1024
    tls { certificate @/combined.pem; ciphers ALL; records LAYER } }
"""
MQTT = """
listen mqtt-LAYER { bind *:PORT; use broker; tls { certificate @/combined.pem; records LAYER } }
"""
PORTS = {"native": 8883, "openssl": 8884}
MQTT_PORTS = {"native": 8893, "openssl": 8894}
CONFIGURATION = (
    "".join(LISTENER.replace("LAYER", layer).replace("PORT", str(port)) for layer, port in PORTS.items())
    + "".join(MQTT.replace("LAYER", layer).replace("PORT", str(port)) for layer, port in MQTT_PORTS.items())
    + "backend echo { server one 127.0.0.1:7007; check none }\nbackend broker { server one 127.0.0.1:1883; check none }\nloops 2\n"
)
# 1.3 by its suites, 1.2 by its ciphers.
KINDS = [
    ("1.3", "TLS_AES_128_GCM_SHA256"), ("1.3", "TLS_AES_256_GCM_SHA384"), ("1.3", "TLS_CHACHA20_POLY1305_SHA256"),
    ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"), ("1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
]


def echo():
    """Gives everything back, to any number of connections; ends a stream when its other half has ended."""
    listener = socket.create_server(("127.0.0.1", 7007), backlog=1024)

    def serve(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def loop():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def conversation(connection, count, seed):
    """Sends so many bytes in pieces of any size and reads them back, both at once; in one thread, for a TLS connection is one
    thread's."""
    source = random.Random(seed)
    block = source.randbytes(1 << 20)
    sent, received = hashlib.sha256(), hashlib.sha256()
    waits = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)
    unsent, left, piece = count, count, b""
    connection.settimeout(0)
    while left:
        moved = False
        if not piece and unsent:
            size = min(unsent, source.choice([1, 13, 100, 1500, 16384, 16385, 70000]))
            start = source.randrange(len(block) - size)
            piece = block[start:start + size]
            unsent -= size
        if piece:
            try:
                size = connection.send(piece)
                sent.update(piece[:size])
                piece = piece[size:]
                moved = True
            except waits:
                pass
        try:
            data = connection.recv(min(left, 65536))
            expect(data, "the stream ended", left, "bytes early")
            received.update(data)
            left -= len(data)
            moved = True
        except waits:
            pass
        if not moved:
            ready = select.select([connection], [connection] if piece else [], [], house.PATIENCE)
            expect(ready[0] or ready[1], "nothing moves,", left, "bytes are missing")
    connection.settimeout(house.PATIENCE)
    expect(sent.digest() == received.digest(), "other bytes came back")


# Python

def python(tls, megabytes):
    # Python cannot choose the suites of 1.3: openssl does (below).
    for version, name in KINDS[2:]:
        for layer, port in PORTS.items():
            context = house.client_context(tls)
            wanted = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
            context.minimum_version = context.maximum_version = wanted
            if version == "1.2":
                context.set_ciphers(name)
            session = None
            for round in ("full", "resumed"):
                plain = socket.create_connection(("127.0.0.1", port), timeout=house.PATIENCE)
                with context.wrap_socket(plain, session=session, server_hostname="mqtt.example.com") as connection:
                    expect(connection.session_reused == (round == "resumed"), layer, name, "is not", round)
                    if version == "1.2":
                        expect(connection.cipher()[0] == name, connection.cipher())
                    for size in [1] * 50 + [17, 300]:
                        connection.sendall(bytes(size))
                        got = b""
                        while len(got) < size:
                            got += connection.recv(size - len(got))
                    conversation(connection, megabytes << 20 if round == "full" else 1 << 20, name)
                    session = connection.session
                    connection.unwrap()
                print(f"ok python {version} {name} {round} {layer}")


# openssl s_client

def openssl(_, megabytes):
    for version, name in KINDS:
        suite = ["-tls1_3", "-ciphersuites", name] if version == "1.3" else ["-tls1_2", "-cipher", name]
        for layer, port in PORTS.items():
            words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *suite]
            # Lines, and between them new keys: ours alone (k), with a wish for the server's (K).
            client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            text = bytearray()
            reader = threading.Thread(target=lambda: [text.extend(piece) for piece in iter(lambda: client.stdout.read1(65536), b"")])
            reader.start()
            def await_text(words, count=1):
                house.wait_for(lambda: text.count(words) >= count or client.poll() is not None, f"{count} times {words}")

            for number in range(6):
                line = f"line {number} of {layer} {name}".encode()
                client.stdin.write(line + b"\n")
                client.stdin.flush()
                await_text(line)
                if version == "1.3":
                    # A command stands alone in what is read at a time.
                    client.stdin.write(b"K\n" if number % 2 else b"k\n")
                    client.stdin.flush()
                    await_text(b"KEYUPDATE", number + 1)
            client.stdin.write(b"Q\n")
            client.stdin.flush()
            expect(client.wait(house.PATIENCE) == 0, "s_client ended with", client.returncode)
            reader.join()
            for number in range(6):
                expect(f"line {number} of {layer} {name}".encode() in text, "line", number, "is missing:", text[-800:])
            if version == "1.3":
                expect(text.count(b"KEYUPDATE") == 6, "key updates:", text[-800:])
            # Much, through a pipe: fragments of every length that can be asked for.
            for fragment in [0, 512, 1024, 2048, 4096] if version == "1.2" or name.endswith("128_GCM_SHA256") else [0]:
                source = random.Random(fragment).randbytes(megabytes << 20 if fragment == 0 else 1 << 20)
                more = ["-maxfraglen", str(fragment)] if fragment else []
                run_echo([*words, "-quiet", "-nocommands", *more], source)
                print(f"ok openssl {version} {name} fragment {fragment or 'none'} {layer}")


def run_echo(words, source, **more):
    """A client that copies its input to the server, and what comes back to its output."""
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)

    def feed():
        try:
            client.stdin.write(source)
            client.stdin.flush()
        except OSError:
            pass

    thread = threading.Thread(target=feed)
    thread.start()
    back = hashlib.sha256()
    left = len(source)
    while left:
        data = client.stdout.read1(min(left, 65536))
        expect(data, words, "ended", left, "bytes early")
        back.update(data)
        left -= len(data)
    thread.join()
    client.kill()
    client.wait()
    expect(back.digest() == hashlib.sha256(source).digest(), words, "got other bytes back")


def gnutls(_, megabytes):
    if not shutil.which("gnutls-cli"):
        print("skipped: gnutls-cli is not installed")
        return
    for version, name in KINDS:
        cipher = {"AES_128_GCM": "AES-128-GCM", "AES128-GCM": "AES-128-GCM", "AES_256_GCM": "AES-256-GCM",
                  "AES256-GCM": "AES-256-GCM", "CHACHA20": "CHACHA20-POLY1305"}
        wanted = next(value for key, value in cipher.items() if key in name)
        priority = f"NORMAL:-VERS-ALL:+VERS-TLS{version}:-CIPHER-ALL:+{wanted}"
        source = random.Random(name).randbytes(megabytes << 20)
        for layer, port in PORTS.items():
            run_echo(["gnutls-cli", "--insecure", "--logfile", "/dev/null", "--priority", priority, "-p", str(port),
                      "127.0.0.1"], source)
            print(f"ok gnutls {version} {name} {layer}")


# Libraries without a client program: a small one of ours, made here.

def built(name, library):
    header = {"mbedtls": "mbedtls/ssl.h", "wolfssl": "wolfssl/ssl.h"}[name]
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler or not os.path.exists(f"/usr/include/{header}"):
        print(f"skipped: {name} is not installed")
        return None
    program = house.SCRATCH / name
    run(compiler, "-O1", "-o", program, house.ROOT / "Tests/Acceptance" / f"{name}-echo.c", *library)
    return program


def mbedtls(_, megabytes):
    program = built("mbedtls", ["-lmbedtls", "-lmbedx509", "-lmbedcrypto"])
    for layer, port in PORTS.items() if program else ():
        for fragment in (0, 512, 1024, 2048, 4096):
            for cipher in ("TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256"):
                count = (megabytes if fragment == 0 else 1) << 20
                run(program, port, cipher, fragment, count)
                print(f"ok mbedtls 1.2 {cipher} fragment {fragment or 'none'} {layer}")


def wolfssl(_, megabytes):
    program = built("wolfssl", ["-lwolfssl"])
    for layer, port in PORTS.items() if program else ():
        for version in ("1.2", "1.3"):
            for fragment in (0, 512, 4096):
                count = (megabytes if fragment == 0 else 1) << 20
                run(program, port, version, fragment, count)
                print(f"ok wolfssl {version} fragment {fragment or 'none'} {layer}")


# Programs that devices and operators have, through a real broker.

def mqtt(tls, megabytes):
    import paho.mqtt.client as paho
    (house.SCRATCH / "records.mosquitto").write_text(
        "listener 1883 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 10000\nuser root\n")
    house.start("mosquitto", ["mosquitto", "-c", house.SCRATCH / "records.mosquitto"])
    house.wait_for(lambda: house.is_open("127.0.0.1", 1883), "mosquitto")
    major = getattr(paho, "CallbackAPIVersion", None)
    payload = house.SCRATCH / "payload"
    payload.write_bytes(random.Random(3).randbytes(min(megabytes, 100) << 20))
    for version in ("1.2", "1.3"):
        for layer, port in MQTT_PORTS.items():
            words = ["-h", "127.0.0.1", "-p", str(port), "--cafile", tls / "ca.pem", "--insecure", "--tls-version", f"tlsv{version}",
                     "-q", "1", "-t", f"big/{layer}/{version}"]
            run("mosquitto_pub", *words, "-r", "-f", payload)
            copy = house.SCRATCH / "copy"
            with open(copy, "wb") as out:
                subprocess.run(["mosquitto_sub", *map(str, words), "-C", "1", "-N"], stdout=out, check=True, timeout=house.PATIENCE)
            expect(copy.read_bytes() == payload.read_bytes(), "mosquitto got another payload")
            run("mosquitto_pub", *words, "-r", "-n")
            print(f"ok mosquitto {version} {megabytes} MB each way {layer}")
            context = house.client_context(tls)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
            for protocol in (paho.MQTTv311, paho.MQTTv5):
                name = f"paho-{layer}-{version}-{protocol}"
                client = paho.Client(major.VERSION1, name, protocol=protocol) if major else paho.Client(name, protocol=protocol)
                client.tls_set_context(context)
                got, ready = [], threading.Event()
                client.on_message = lambda _, __, message: got.append(message.payload)
                client.on_subscribe = lambda *_: ready.set()
                client.connect("127.0.0.1", port)
                client.loop_start()
                client.subscribe(f"paho/{name}", 2)
                expect(ready.wait(house.PATIENCE), "no SUBACK")
                sent = [random.Random(number).randbytes(number * 37 % 5000) for number in range(300)]
                for number, message in enumerate(sent):
                    told = client.publish(f"paho/{name}", message, qos=2)
                    # All at once stop at paho and mosquitto themselves, without anything between them.
                    if number % 10 == 9:
                        told.wait_for_publish()
                house.wait_for(lambda: len(got) >= len(sent), lambda: f"{len(got)} of {len(sent)} messages")
                expect(got == sent, "other messages came, or in another order")
                client.disconnect()
                client.loop_stop()
                print(f"ok paho {'5.0' if protocol == paho.MQTTv5 else '3.1.1'} {version} 300 QoS 2 in order {layer}")


def hostile(_, __):
    import hostile as cases
    cases.compare(PORTS)


def conversations(_, megabytes):
    import conversations as cases
    # Each case with one suite in turn, or with all of them.
    return cases.compare(PORTS, everything=megabytes >= 5)


PARTS = {"openssl": openssl, "python": python, "gnutls": gnutls, "mbedtls": mbedtls, "wolfssl": wolfssl, "mqtt": mqtt, "hostile": hostile,
         "conversations": conversations}


def counters(balancer):
    return (balancer.status()["balancer"] or {}).get("counters", {})


def body():
    words = sys.argv[1:]
    megabytes = int(words.pop(0)) if words and words[0].isdigit() else 5
    parts = words or list(PARTS)
    tls = house.certificates(house.SCRATCH / "tls")
    echo()
    balancer = house.Balancer(CONFIGURATION.replace("@", str(tls)))
    # memfd_secret(2): with the kernel's help nobody else sees the keys.
    if ctypes.CDLL(None).syscall(447, 0) >= 0:
        expect("/secretmem" in open(f"/proc/{balancer.pid()}/maps").read(), "the keys lie in ordinary memory")
        print("ok keys in memory of their own")
    # Some conversations are of sessions that must not be taken over.
    refused = sum(PARTS[part](tls, megabytes) or 0 for part in parts)
    seen = counters(balancer)
    expect(seen["tls-records-refused"] == refused, "sessions were refused:", seen)
    expect(seen["tls-records-taken-over"] > 0, "nothing was taken over:", seen)
    print(f"ok {seen['tls-records-taken-over']} sessions taken over, {seen['tls-key-updates-heard']} key updates heard, "
          f"{seen['tls-key-updates-said']} said, violations {seen.get('tls-violations')}")
    balancer.stop()


if __name__ == "__main__":
    house.main(body)
