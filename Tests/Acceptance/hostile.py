"""Clients that break the rules of the record protocol, against both record layers: the verdicts must be the same.

The handshake is Python's; its secrets (as SSLKEYLOGFILE has them) make the records that follow, whatever is in them. A verdict is
what the server does: the alert it sends, `echo` when it goes on, `closed`. Modelled on the cases of tlsfuzzer.

usage: by records.py
"""

import hashlib
import hmac
import random
import socket
import ssl
import struct

import house
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from house import expect

ALERTS = {0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
          47: "illegal_parameter", 50: "decode_error", 80: "internal_error", 90: "user_canceled", 100: "no_renegotiation"}
DATA, HANDSHAKE, ALERT, CCS = 23, 22, 21, 20


def expand(secret, label, length):
    info = struct.pack(">HB", length, 6 + len(label)) + b"tls13 " + label + b"\0"
    return hmac.new(secret, info + b"\1", hashlib.sha256).digest()[:length]


def prf(secret, seed, length):
    out, a = b"", seed
    while len(out) < length:
        a = hmac.new(secret, a, hashlib.sha256).digest()
        out += hmac.new(secret, a + seed, hashlib.sha256).digest()
    return out[:length]


class Keys:
    """One direction."""

    def __init__(self, version, secret=None, key=None, salt=None):
        self.version, self.sequence = version, 0
        if version == "1.3":
            self.secret = secret
            self.derive()
        else:
            self.key, self.salt, self.sequence = key, salt, 1

    def derive(self):
        self.key, self.iv, self.sequence = expand(self.secret, b"key", 16), expand(self.secret, b"iv", 12), 0

    def update(self):
        self.secret = expand(self.secret, b"traffic upd", 32)
        self.derive()

    def nonce(self):
        return (int.from_bytes(self.iv, "big") ^ self.sequence).to_bytes(12, "big")

    def seal(self, content, kind=DATA, padding=0):
        """A record; in 1.3 of the inner type `kind`."""
        if self.version == "1.3":
            inner = content + (bytes([kind]) if kind is not None else b"") + bytes(padding)
            header = struct.pack(">BHH", DATA, 0x303, len(inner) + 16)
            record = header + AESGCM(self.key).encrypt(self.nonce(), inner, header)
        else:
            explicit = struct.pack(">Q", self.sequence + (1 << 40))
            extra = struct.pack(">QBHH", self.sequence, kind, 0x303, len(content))
            body = explicit + AESGCM(self.key).encrypt(self.salt + explicit, content, extra)
            record = struct.pack(">BHH", kind, 0x303, len(body)) + body
        self.sequence += 1
        return record

    def open(self, record):
        """The type and the content of a record."""
        kind, body = record[0], record[5:]
        if self.version == "1.3":
            inner = AESGCM(self.key).decrypt(self.nonce(), body, record[:5]).rstrip(b"\0")
            kind, content = inner[-1], inner[:-1]
        else:
            extra = struct.pack(">QBHH", self.sequence, kind, 0x303, len(body) - 24)
            content = AESGCM(self.key).decrypt(self.salt + body[:8], body[8:], extra)
        self.sequence += 1
        return kind, content


class Session:
    """A handshake of Python's, and then whatever a case sends."""

    def __init__(self, port, version):
        self.version = version
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        log = house.SCRATCH / "keys.log"
        log.unlink(missing_ok=True)
        context.keylog_filename = str(log)
        wanted = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
        context.minimum_version = context.maximum_version = wanted
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest, randoms = b"", {}
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            flight = outgoing.read()
            if 1 not in randoms and flight:
                randoms[1] = flight[11:43]
            self.socket.sendall(flight)
            if done:
                break
            # One record at a time: what comes behind the handshake is ours to read.
            record = self.record()
            if record[0] == HANDSHAKE and record[5] == 2 and 2 not in randoms:
                randoms[2] = record[11:43]
            incoming.write(record)
        words = dict(line.split()[::2] for line in log.read_text().splitlines() if not line.startswith("#"))
        if version == "1.3":
            # 256 bits or 384 by the suite: Python cannot choose it, the server can.
            expect(len(words["CLIENT_TRAFFIC_SECRET_0"]) == 64, "the server has chosen another suite")
            self.write = Keys(version, bytes.fromhex(words["CLIENT_TRAFFIC_SECRET_0"]))
            self.read = Keys(version, bytes.fromhex(words["SERVER_TRAFFIC_SECRET_0"]))
        else:
            block = prf(bytes.fromhex(words["CLIENT_RANDOM"]), b"key expansion" + randoms[2] + randoms[1], 40)
            self.write = Keys(version, key=block[:16], salt=block[32:36])
            self.read = Keys(version, key=block[16:32], salt=block[36:40])

    def record(self):
        while len(self.rest) < 5 or len(self.rest) < 5 + int.from_bytes(self.rest[3:5], "big"):
            data = self.socket.recv(65536)
            if not data:
                return None
            self.rest += data
        length = 5 + int.from_bytes(self.rest[3:5], "big")
        record, self.rest = self.rest[:length], self.rest[length:]
        return record

    def verdict(self, wanted):
        """What the server does: it gives `wanted` back, says an alert, or is gone. New keys of its own are counted."""
        got, updates, said = b"", 0, []
        try:
            while len(got) < len(wanted):
                record = self.record()
                if record is None:
                    return " ".join(said + ["closed"])
                kind, content = self.read.open(record)
                if kind == DATA:
                    got += content
                elif kind == HANDSHAKE and content[0] == 24:
                    updates += 1
                    self.read.update()
                elif kind == ALERT:
                    said.append(ALERTS.get(content[1], str(content[1])))
                    if content[0] == 2 or content[1] == 0:
                        return " ".join(said)
        except (ConnectionResetError, BrokenPipeError):
            return " ".join(said + ["closed"])
        except (TimeoutError, socket.timeout):
            return "silence"
        except InvalidTag:
            return "garbage"
        expect(got == wanted, "other bytes came back")
        return " ".join(said + ["echo"] + ([f"{updates} new keys"] if updates else []))


PING = b"still here?"
UPDATE = bytes([24, 0, 0, 1])


def send(case):
    """A case that sends records made by `case(keys)`, and then asks whether the server is still there."""
    def run(session, rng):
        wanted = PING
        made = case(session.write, rng)
        if isinstance(made, tuple):
            made, echoed = made
            wanted = echoed + PING
        try:
            session.socket.sendall(made)
            session.socket.sendall(session.write.seal(PING))
        except (ConnectionResetError, BrokenPipeError):
            pass
        return session.verdict(wanted)
    return run


def updates(count, wish, between=b""):
    def case(keys, rng):
        made = b""
        for _ in range(count):
            made += keys.seal(UPDATE + bytes([wish]), HANDSHAKE)
            keys.update()
            if between:
                made += keys.seal(between)
        return made, between * count
    return case


def update_then(content, kind=HANDSHAKE):
    return lambda keys, rng: keys.seal(content, kind)


def in_pieces(*sizes):
    def case(keys, rng):
        message, made = UPDATE + b"\0", b""
        for size in sizes:
            made += keys.seal(message[:size], HANDSHAKE)
            message = message[size:]
        expect(not message, "pieces do not add up")
        keys.update()
        return made
    return case


def damaged(place):
    def case(keys, rng):
        record = bytearray(keys.seal(rng.randbytes(50)))
        at = place if place >= 0 else len(record) + place
        record[at] ^= 1 << rng.randrange(8)
        return bytes(record)
    return case


def replayed(keys, rng):
    record = keys.seal(b"twice")
    return record + record


def reordered(keys, rng):
    first, second = keys.seal(b"first"), keys.seal(b"second")
    return second + first


def skipped(keys, rng):
    keys.seal(b"never sent")
    return keys.seal(b"sent")


def much(count, kind=DATA, padding=0):
    return lambda keys, rng: (lambda words: (keys.seal(words, kind, padding), words))(rng.randbytes(count))


def oversize(length):
    return lambda keys, rng: struct.pack(">BHH", DATA, 0x303, length) + rng.randbytes(length)


BOTH = {
    "nothing odd": send(lambda keys, rng: b""),
    "a full record": send(much(16384)),
    "no content": send(lambda keys, rng: keys.seal(b"")),
    "no content, 32 times": send(lambda keys, rng: b"".join(keys.seal(b"") for _ in range(32))),
    "no content, 33 times": send(lambda keys, rng: b"".join(keys.seal(b"") for _ in range(33))),
    "an inside too long": send(lambda keys, rng: keys.seal(bytes(16385))),
    "replayed": send(replayed),
    "reordered": send(reordered),
    "skipped": send(skipped),
    "an unknown type outside": send(lambda keys, rng: b"\x1f" + keys.seal(b"x")[1:]),
    "a change of cipher": send(lambda keys, rng: bytes([CCS, 3, 3, 0, 1, 1])),
    "an alert in the clear": send(lambda keys, rng: bytes([ALERT, 3, 3, 0, 2, 1, 0])),
    "data in the clear": send(lambda keys, rng: bytes([DATA, 3, 3, 0, 5]) + b"plain"),
    "a header of 65535 bytes": send(lambda keys, rng: struct.pack(">BHH", DATA, 0x303, 65535)),
    "a record shorter than a tag": send(lambda keys, rng: struct.pack(">BHH", DATA, 0x303, 12) + bytes(12)),
    "an empty record": send(lambda keys, rng: struct.pack(">BHH", DATA, 0x303, 0)),
    "close_notify": send(lambda keys, rng: keys.seal(b"\1\0", ALERT)),
    "a fatal alert": send(lambda keys, rng: keys.seal(b"\2\x28", ALERT)),
    "an alert of one byte": send(lambda keys, rng: keys.seal(b"\1", ALERT)),
    "an alert of three bytes": send(lambda keys, rng: keys.seal(b"\1\x5a\1", ALERT)),
    "an alert without content": send(lambda keys, rng: keys.seal(b"", ALERT)),
    "user_canceled": send(lambda keys, rng: keys.seal(b"\1\x5a", ALERT)),
    "user_canceled, 5 times": send(lambda keys, rng: b"".join(keys.seal(b"\1\x5a", ALERT) for _ in range(5))),
    "a Finished": send(lambda keys, rng: keys.seal(bytes([20, 0, 0, 32]) + bytes(32), HANDSHAKE)),
    "a certificate": send(lambda keys, rng: keys.seal(bytes([11, 0, 0, 4]) + bytes(4), HANDSHAKE)),
    "a handshake record without content": send(lambda keys, rng: keys.seal(b"", HANDSHAKE)),
    **{f"damage at {place}": send(damaged(place)) for place in (5, 6, 12, 13, 20, 40, -17, -16, -8, -1)},
}

MODERN = {
    "new keys": send(updates(1, 0)),
    "new keys, and a wish for ours": send(updates(1, 1)),
    "new keys 20 times, with wishes": send(updates(20, 1, b"between")),
    "new keys 30 times without data": send(updates(30, 0)),
    "new keys in two pieces": send(in_pieces(2, 3)),
    "new keys byte by byte": send(in_pieces(1, 1, 1, 1, 1)),
    "new keys with the value 2": send(update_then(UPDATE + b"\2")),
    "new keys with the value 255": send(update_then(UPDATE + b"\xff")),
    "new keys without a value": send(update_then(bytes([24, 0, 0, 0]))),
    "new keys with two values": send(update_then(bytes([24, 0, 0, 2, 0, 0]))),
    "new keys and more behind": send(update_then(UPDATE + b"\0" + UPDATE + b"\0")),
    "half new keys, then data": send(lambda keys, rng: keys.seal(UPDATE[:2], HANDSHAKE) + keys.seal(b"data")),
    "half new keys, then an alert": send(lambda keys, rng: keys.seal(UPDATE[:2], HANDSHAKE) + keys.seal(b"\1\x5a", ALERT)),
    "a ticket from a client": send(update_then(bytes([4, 0, 0, 4]) + bytes(4))),
    "a ClientHello": send(update_then(bytes([1, 0, 0, 40, 3, 3]) + bytes(38))),
    "padding of one": send(much(100, padding=1)),
    "padding of 10000": send(much(100, padding=10000)),
    "padding to the brim": send(much(100, padding=16384 + 256 - 16 - 101)),
    "padding only": send(lambda keys, rng: keys.seal(b"", None, 50)),
    "type 0 inside": send(lambda keys, rng: keys.seal(b"x", 0, 0)),
    "type 20 inside": send(lambda keys, rng: keys.seal(b"\1", CCS)),
    "type 24 inside": send(lambda keys, rng: keys.seal(b"\1", 24)),
    "a record longer than 16640": send(oversize(16641)),
    "other version in the header": send(lambda keys, rng: (lambda r: r[:1] + b"\3\1" + r[3:])(keys.seal(b"x"))),
}

LEGACY = {
    "a ClientHello": send(lambda keys, rng: keys.seal(
        bytes([1, 0, 0, 43, 3, 3]) + bytes(32) + b"\0" + b"\0\2\xc0\x2b" + b"\1\0" + b"\0\0", HANDSHAKE)),
    "a HelloRequest": send(lambda keys, rng: keys.seal(bytes(4), HANDSHAKE)),
    "a warning of any kind": send(lambda keys, rng: keys.seal(b"\1\x64", ALERT)),
    "a record longer than 18432": send(oversize(18433)),
    "other version in the header": send(lambda keys, rng: (lambda r: r[:1] + b"\3\1" + r[3:])(keys.seal(b"x"))),
}

# Where the two differ, why, and what each says: (native, openssl).
KNOWN = {}


def compare(ports, seed=1):
    count, differing = 0, []
    for version, cases in (("1.3", {**BOTH, **MODERN}), ("1.2", {**BOTH, **LEGACY})):
        for name, case in cases.items():
            verdicts = {}
            for layer, port in ports.items():
                session = Session(port, version)
                verdicts[layer] = case(session, random.Random(f"{seed} {name}"))
                session.socket.close()
            count += 1
            pair = (verdicts["native"], verdicts["openssl"])
            known = KNOWN.get((version, name))
            if pair[0] != pair[1] and known != pair:
                differing.append(f"{version} {name}: native {pair[0]}, openssl {pair[1]}")
            print(f"ok hostile {version} {name}: {pair[0]}" + ("" if pair[0] == pair[1] else f" (openssl: {pair[1]})"))
    expect(not differing, "the layers differ:\n  " + "\n  ".join(differing))
    print(f"ok hostile: {count} cases, {len(KNOWN)} known differences")
