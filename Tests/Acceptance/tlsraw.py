"""TLS records in a script's own hands: handshakes are Python's, what follows is made of their secrets (as SSLKEYLOGFILE has them).

Only AES-128-GCM: suite and cipher are chosen so. With keys of its own a script can announce new keys, break rules, and stop at any
byte, none of which Python's ssl lets it do.
"""

import hashlib
import hmac
import os
import socket
import ssl
import struct
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from house import expect

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


class Shaken:
    """A handshake that is done: both directions' keys, and what was read behind it."""

    def __init__(self, sock, version, server=None):
        """`server`: (certificate, key) to be the server; a client otherwise."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        if server:
            context.load_cert_chain(*server)
            context.num_tickets = 0
        else:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        wanted = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
        context.minimum_version = context.maximum_version = wanted
        number, log = tempfile.mkstemp()
        os.close(number)
        context.keylog_filename = log
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=bool(server))
        self.rest, randoms = b"", {}
        try:
            while True:
                try:
                    tls.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    done = False
                flight = outgoing.read()
                if len(flight) > 43 and flight[0] == HANDSHAKE and flight[5] in (1, 2):
                    randoms.setdefault(flight[5], flight[11:43])
                sock.sendall(flight)
                if done:
                    break
                # One record at a time: what comes behind the handshake is the caller's.
                record = self.record(sock)
                if record is None:
                    raise OSError("closed during the handshake")
                if record[0] == HANDSHAKE and record[5] in (1, 2):
                    randoms.setdefault(record[5], record[11:43])
                incoming.write(record)
            words = dict(line.split()[::2] for line in open(log) if not line.startswith("#"))
        finally:
            os.unlink(log)
        if version == "1.3":
            # 256 bits or 384 by the suite: Python cannot choose it, the balancer does.
            expect(len(words["CLIENT_TRAFFIC_SECRET_0"]) == 64, "another suite was chosen")
            mine, theirs = ("SERVER", "CLIENT") if server else ("CLIENT", "SERVER")
            self.write = Keys(version, bytes.fromhex(words[f"{mine}_TRAFFIC_SECRET_0"]))
            self.read = Keys(version, bytes.fromhex(words[f"{theirs}_TRAFFIC_SECRET_0"]))
        else:
            block = prf(bytes.fromhex(words["CLIENT_RANDOM"]), b"key expansion" + randoms[2] + randoms[1], 40)
            client, servers = (Keys(version, key=block[at:at + 16], salt=block[salt:salt + 4]) for at, salt in ((0, 32), (16, 36)))
            self.write, self.read = (servers, client) if server else (client, servers)

    def record(self, sock):
        while len(self.rest) < 5 or len(self.rest) < 5 + int.from_bytes(self.rest[3:5], "big"):
            data = sock.recv(65536)
            if not data:
                return None
            self.rest += data
        length = 5 + int.from_bytes(self.rest[3:5], "big")
        record, self.rest = self.rest[:length], self.rest[length:]
        return record
