"""Clients that break the rules of the record protocol, against both record layers: the verdicts must be the same.

The handshake is Python's; its secrets (as SSLKEYLOGFILE has them) make the records that follow, whatever is in them. A verdict is
what the server does: the alert it sends, `echo` when it goes on, `closed`. Modelled on the cases of tlsfuzzer.

usage: by records.py
"""

import random
import socket
import struct

from cryptography.exceptions import InvalidTag
from house import expect
from tlsraw import ALERT, CCS, DATA, HANDSHAKE, Shaken

ALERTS = {0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
          47: "illegal_parameter", 50: "decode_error", 70: "protocol_version", 80: "internal_error", 90: "user_canceled", 100: "no_renegotiation"}


class Session:
    """A handshake of Python's, and then whatever a case sends."""

    def __init__(self, port, version):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.shaken = Shaken(self.socket, version)
        self.write, self.read = self.shaken.write, self.shaken.read

    def verdict(self, wanted):
        """What the server does: it gives `wanted` back, says an alert, or is gone. New keys of its own are counted."""
        got, updates, said = b"", 0, []
        try:
            while len(got) < len(wanted):
                record = self.shaken.record(self.socket)
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

# Where the two differ: what each says (native, openssl), and why ours is as it is.
LENGTH = "a length that cannot be is decode_error (RFC 8446, 6.2); OpenSSL 3.0 has one alert for every odd alert"
CLEAR = "too short for an explicit nonce and a tag, or not encrypted: OpenSSL 3.0 takes the decryption's refusal for its own error"
KNOWN = {
    ("1.3", "an alert of one byte"): ("decode_error", "unexpected_message", LENGTH),
    ("1.3", "an alert of three bytes"): ("decode_error", "unexpected_message", LENGTH),
    ("1.2", "an alert of one byte"): ("decode_error", "unexpected_message", LENGTH),
    ("1.2", "an alert of three bytes"): ("decode_error", "unexpected_message", LENGTH),
    ("1.3", "new keys 20 times, with wishes"): ("*", "echo 20 new keys", "wishes that come at once are answered once (RFC 8446, 4.6.3)"),
    ("1.3", "new keys with two values"): ("decode_error", "illegal_parameter", "the length of the message is wrong, not a value in it"),
    ("1.3", "other version in the header"): (
        "bad_record_mac", "decode_error", "the header is authenticated as it came; its version is to be ignored (RFC 8446, 5.1)"),
    ("1.2", "an unknown type outside"): ("unexpected_message", "bad_record_mac", "refused before it is decrypted (RFC 5246, 6)"),
    ("1.2", "a change of cipher"): ("unexpected_message", "internal_error", CLEAR),
    ("1.2", "an alert in the clear"): ("bad_record_mac", "internal_error", CLEAR),
    ("1.2", "data in the clear"): ("bad_record_mac", "internal_error", CLEAR),
    ("1.2", "a record shorter than a tag"): ("bad_record_mac", "internal_error", CLEAR),
    ("1.2", "an empty record"): ("bad_record_mac", "internal_error", CLEAR),
    ("1.2", "a handshake record without content"): (
        "unexpected_message", "echo", "handshake messages must not come without content (RFC 5246, 6.2.1)"),
    ("1.2", "a warning of any kind"): (
        "echo", "handshake_failure", "no_renegotiation from who was asked nothing changes nothing; OpenSSL ends there"),
    ("1.2", "other version in the header"): ("decode_error", "protocol_version", "either is an end; nothing was decrypted"),
}


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
            known = KNOWN.get((version, name), ())
            if pair[0] != pair[1] and not (known[1:2] == pair[1:] and known[0] in ("*", pair[0])):
                differing.append(f"{version} {name}: native {pair[0]}, openssl {pair[1]}")
            print(f"ok hostile {version} {name}: {pair[0]}" + ("" if pair[0] == pair[1] else f" (openssl: {pair[1]})"))
    expect(not differing, "the layers differ:\n  " + "\n  ".join(differing))
    print(f"ok hostile: {count} cases, {len(KNOWN)} known differences")
