"""What a TLS handshake tells of a client, on its way to a server: routes by SNI and common name, identities from certificates.
And what becomes of sessions when a checked server goes down.

usage: identity.py
"""

import hashlib
import socket
import ssl
import struct
import threading
import time

import house
from house import expect, run, wait_for

CONFIGURATION = """
listen sni { bind *:8801; tls { certificate @/combined.pem }
             use factory when sni *.factory.example; use probes when sni probe.example; use other }
listen cn  { bind *:8802; tls { certificate @/combined.pem; client-ca @/ca.pem; client-certificate optional }
             use factory when certificate-cn meter-*; use other }
listen serial      { bind *:8803; tls { REQUIRED }; rewrite client-id from certificate-serial;      use other }
listen dn          { bind *:8804; tls { REQUIRED }; rewrite client-id from certificate-dn;          use other }
listen common      { bind *:8805; tls { REQUIRED }; rewrite client-id from certificate-cn;          use other }
listen san         { bind *:8806; tls { REQUIRED }; rewrite client-id from certificate-san;         use other }
listen fingerprint { bind *:8807; tls { REQUIRED }; rewrite client-id from certificate-fingerprint
                     rewrite username from sni; rewrite password remove; use other }
listen optional    { bind *:8808; tls { certificate @/combined.pem; client-ca @/ca.pem; client-certificate optional }
                     rewrite client-id from certificate-cn; use other }
listen closing { bind *:1901; use closing }
listen keeping { bind *:1902; use keeping }
backend factory { server factory 10.77.0.1:1883; check tcp every 300ms timeout 300ms rise 1 fall 1 }
backend probes  { server probes  10.77.0.1:1884; check tcp every 300ms timeout 300ms rise 1 fall 1 }
backend other   { server other   10.77.0.1:1885; check tcp every 300ms timeout 300ms rise 1 fall 1 }
backend closing { server down 10.77.0.1:1886; check tcp every 300ms timeout 300ms rise 1 fall 1; on-down close spread 3s }
listen slow { bind *:1903; use slow }
backend slow { balance round-robin; server warm 10.77.0.1:1883; server cold 10.77.0.1:1887 slow-start 10s
               check tcp every 300ms timeout 300ms rise 1 fall 1 }
backend keeping { server down 10.77.0.1:1886; check tcp every 300ms timeout 300ms rise 1 fall 1; on-down keep }
log { to stderr; sessions both }
"""


class Recorder:
    """A broker that keeps what each CONNECT said."""

    def __init__(self, port):
        self.port, self.seen = port, []
        self.open()

    def open(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("10.77.0.1", self.port))
        self.listener.listen(200)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def close(self):
        """Nobody is let in any more; who is in stays."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        try:
            while True:
                head = peer.recv(1)
                if not head:
                    return
                length, shift = 0, 0
                while True:
                    byte = peer.recv(1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                body = b""
                while len(body) < length:
                    body += peer.recv(length - len(body))
                if head[0] == 0x10:
                    self.seen.append(fields(body))
                    peer.sendall(b"\x20\x02\x00\x00")
                elif head[0] == 0xC0:
                    peer.sendall(b"\xd0\x00")
        except (OSError, IndexError):
            return


def fields(body):
    """Client ID, username and password of a CONNECT of 3.1.1 without a will."""
    flags, rest, out = body[7], body[10:], []
    def text():
        nonlocal rest
        (count,) = struct.unpack(">H", rest[:2])
        value, rest = rest[2:2 + count].decode(), rest[2 + count:]
        return value
    return text(), text() if flags & 0x80 else None, text() if flags & 0x40 else None


def connect(port, name, tls=None, server_name="mqtt.example.com", username=None, password=None):
    """A client of 3.1.1; the code of its CONNACK and the open socket."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=house.PATIENCE)
    if tls:
        peer = tls.wrap_socket(peer, server_hostname=server_name)
    def text(value):
        return struct.pack(">H", len(value)) + value.encode()
    flags = 2 | (0x80 if username else 0) | (0x40 if password else 0)
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x00" + text(name)
    body += (text(username) if username else b"") + (text(password) if password else b"")
    peer.sendall(b"\x10" + bytes([len(body)]) + body)
    answer = peer.recv(4)
    expect(len(answer) == 4 and answer[0] == 0x20, name, "was answered", answer)
    return answer[3], peer


def routes(tls, recorders):
    plain, known = house.client_context(tls), house.client_context(tls, certificate=True)
    for port, context, server_name, backend in [
        (8801, plain, "press.factory.example", "factory"), (8801, plain, "PRESS.Factory.Example", "factory"),
        (8801, plain, "probe.example", "probes"), (8801, plain, "factory.example", "other"),
        (8801, plain, "mqtt.example.com", "other"),
        (8802, known, "mqtt.example.com", "factory"), (8802, plain, "mqtt.example.com", "other"),
    ]:
        name = f"r{port}-{len(recorders[backend].seen)}"
        before = {b: len(r.seen) for b, r in recorders.items()}
        code, peer = connect(port, name, context, server_name)
        expect(code == 0, name, "is refused with", code)
        grown = {b for b, r in recorders.items() if len(r.seen) > before[b]}
        expect(grown == {backend}, server_name, "went to", grown)
        peer.close()
        print(f"ok route {port} {server_name} {'with' if context is known else 'without'} certificate: {backend}")


def identities(tls, balancer, seen):
    known = house.client_context(tls, certificate=True)
    der = ssl.PEM_cert_to_DER_cert((tls / "client.pem").read_text())
    # What openssl says of the same certificate.
    said = {
        "serial": run("openssl", "x509", "-in", tls / "client.pem", "-noout", "-serial").strip().split("=")[1],
        "dn": run("openssl", "x509", "-in", tls / "client.pem", "-noout", "-subject", "-nameopt", "RFC2253").strip().split("=", 1)[1].strip(),
        "cn": "meter-7", "san": "meter-7", "fingerprint": hashlib.sha256(der).hexdigest(),
    }
    for port, source in [(8803, "serial"), (8804, "dn"), (8805, "cn"), (8806, "san"), (8807, "fingerprint")]:
        code, peer = connect(port, "device", known, "mqtt.example.com", "somebody", "secret")
        expect(code == 0, source, "is refused with", code)
        got = seen[-1]
        expect(got[0].lower() == said[source].lower(), source, "is", got[0], "and openssl says", said[source])
        expect(got[1:] == (("mqtt.example.com", None) if port == 8807 else ("somebody", "secret")), "credentials", got)
        found = [c for c in balancer.clients() if c.get("original") == "device"]
        expect(len(found) == 1 and found[0]["client_id"] == got[0], "clients says", found)
        peer.close()
        wait_for(lambda: not balancer.clients(), "it is still there")
        print(f"ok identity {source}: {got[0]}")
    code, peer = connect(8808, "device", house.client_context(tls))
    expect(code == 5, "without a certificate it is answered", code)
    expect(balancer.status()["balancer"]["counters"]["identity-missing"] == 1, "it is not counted")
    print("ok identity of nobody: refused with 5")
    log = house.log_of(balancer.name)
    expect(f"original_client_id=device" in log and f"client_id={said['serial'].lower()}" in log.lower(), "the log has not both")
    print("ok identity in the log: both client IDs")


def on_down(balancer, recorder):
    """The port closes, sessions stay open at the server: what the balancer does with them is its own."""
    closing = [connect(1901, f"c{number}")[1] for number in range(30)]
    keeping = [connect(1902, f"k{number}")[1] for number in range(30)]
    recorder.close()
    wait_for(lambda: balancer.servers()[("closing", "down")]["status"] == "down", "closing is not down")
    wait_for(lambda: balancer.servers()[("keeping", "down")]["status"] == "down", "keeping is not down")
    expect("cannot connect" in balancer.servers()[("closing", "down")]["last_check"], "the check says",
           balancer.servers()[("closing", "down")]["last_check"])
    ends = []
    for peer in closing:
        peer.settimeout(house.PATIENCE)
    def watch(peer):
        expect(peer.recv(1) == b"", "something came")
        ends.append(time.monotonic())
    watchers = [threading.Thread(target=watch, args=(peer,)) for peer in closing]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(house.PATIENCE)
    expect(len(ends) == 30, len(ends), "of 30 were closed")
    span = max(ends) - min(ends)
    expect(1.5 < span < 20, "they were closed within", span, "s, and were to be spread over 3 s")
    print(f"ok on-down close: 30 of 30 closed, spread over {span:.1f} s")
    for peer in keeping:
        peer.sendall(b"\xc0\x00")
        expect(peer.recv(2) == b"\xd0\x00", "a session that was to be kept is gone")
    print("ok on-down keep: 30 of 30 answer pings")
    expect(connect(1902, "new")[0] == 3, "somebody new was let in")
    recorder.open()
    wait_for(lambda: balancer.servers()[("keeping", "down")]["status"] == "up", "it does not come back")
    code, peer = connect(1902, "later")
    expect(code == 0, "refused after it came back")
    print("ok check tcp: down while the port is closed, up when it is open again")


def slow_start(balancer, warm, cold):
    """A server that comes back gets its share little by little."""
    def burst(name):
        before = len(warm.seen), len(cold.seen)
        peers = [connect(1903, f"{name}-{number}")[1] for number in range(40)]
        for peer in peers:
            peer.close()
        return len(warm.seen) - before[0], len(cold.seen) - before[1]
    left = lambda: balancer.servers()[("slow", "cold")]["slow_start_left_ms"]
    for attempt in range(10):
        cold.open()
        wait_for(lambda: balancer.servers()[("slow", "cold")]["status"] == "up", "cold is not up")
        shares = burst(f"early{attempt}")
        # Only a burst that was over before half of the time says what it must: on a busy machine it may take longer.
        if (left() or 0) > 5000:
            break
        cold.close()
        wait_for(lambda: balancer.servers()[("slow", "cold")]["status"] == "down", "cold is not down")
    else:
        raise house.Failure("no burst of 40 clients was quick enough")
    # Below half its weight: less than a third of the clients, and a turn more.
    expect(sum(shares) == 40 and shares[1] <= 15, "in its first seconds it got", shares)
    wait_for(lambda: left() is None, "the slow start does not end")
    later = burst("later")
    expect(sum(later) == 40 and 18 <= later[1] <= 22, "afterwards it got", later)
    print(f"ok slow-start: {shares[1]} of 40 at first, {later[1]} of 40 afterwards")


def body():
    house.build_hosts({"broker": []})
    for address in ("10.77.0.1",):
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
    tls = house.certificates(house.SCRATCH / "tls")
    recorders = {name: Recorder(port) for name, port in [("factory", 1883), ("probes", 1884), ("other", 1885)]}
    down, cold = Recorder(1886), Recorder(1887)
    cold.close()
    required = f"certificate {tls}/combined.pem; client-ca {tls}/ca.pem"
    balancer = house.Balancer(CONFIGURATION.replace("REQUIRED", required).replace("@", str(tls)))
    wait_for(lambda: all(s["status"] == "up" for (b, n), s in balancer.servers().items() if n != "cold"), "the brokers")
    wait_for(lambda: balancer.servers()[("slow", "cold")]["status"] == "down", "cold is not down")
    routes(tls, recorders)
    identities(tls, balancer, recorders["other"].seen)
    on_down(balancer, down)
    slow_start(balancer, recorders["factory"], cold)
    balancer.stop()


house.main(body)
