"""One TLS conversation in a script's own hands, from the ClientHello on: messages are made, cut, mixed and sent as a case wants it.

The messages and the record layer are tlslite-ng's (packaging/test-requirements.txt); nothing of OpenSSL's is in a client of these.
"""

import os
import pathlib
import socket
import struct
import sys

sys.path.insert(1, os.environ.get("UNDERSTUDY_VECTORS") or str(
    pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "understudy/test-vectors"))

from tlslite.constants import CipherSuite, ContentType, ExtensionType, GroupName, PskKeyExchangeMode, SignatureScheme
from tlslite.errors import TLSAbruptCloseError, TLSBadRecordMAC
from tlslite.extensions import (
    ClientKeyShareExtension, ECPointFormatsExtension, KeyShareEntry, PreSharedKeyExtension, PskIdentity, PskKeyExchangeModesExtension,
    SignatureAlgorithmsExtension, SupportedGroupsExtension, SupportedVersionsExtension, TLSExtension)
from tlslite.handshakehashes import HandshakeHashes
from tlslite.handshakehelpers import HandshakeHelpers
from tlslite.keyexchange import ECDHKeyExchange
from tlslite.mathtls import calc_key
from tlslite.messages import ClientHello, NewSessionTicket, ServerHello
from tlslite.recordlayer import RecordLayer
from tlslite.utils.codec import Parser
from tlslite.utils.cryptomath import HKDF_expand_label, derive_secret, secureHMAC

from house import expect

DATA, HANDSHAKE, ALERT, CCS = 23, 22, 21, 20
ALERTS = {0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
          47: "illegal_parameter", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 80: "internal_error",
          90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension", 110: "unsupported_extension"}
PING = b"still here?"
SUITES = {
    "1.3": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
    "1.2": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"],
}
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Wire:
    """Reads from a socket; what is to be written goes through the conversation's hands."""

    def __init__(self, sock):
        self.recv = sock.recv


def plain(kind, content=b"", version=0x303):
    """A record in the clear."""
    return struct.pack(">BHH", kind, version, len(content)) + bytes(content)


def message(kind, body=b""):
    """A handshake message."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + bytes(body)


class Writing:
    """Our direction, with the interface that the cases of hostile.py know."""

    def __init__(self, conversation):
        self.conversation = conversation

    def seal(self, content, kind=DATA, padding=0, version=0x303):
        """A record under the keys in force; in 1.3 of the inner type `kind`, `None`: of none."""
        layer, data = self.conversation.layer, bytearray(content)
        if self.conversation.version == "1.3":
            data += (bytes([kind]) if kind is not None else b"") + bytes(padding)
            kind = DATA
        return plain(kind, layer._encryptThenSeal(data, kind), version)

    def update(self):
        c = self.conversation
        c.ours, c.theirs = c.layer.calcTLS1_3KeyUpdate_reciever(c.number, c.ours, c.theirs)


class Conversation:
    """A client. `start` says hello and hears the server's flight; then come `finish` or what a case says instead."""

    def __init__(self, port, version, suite):
        self.version, self.number = version, getattr(CipherSuite, suite)
        self.hash = "sha384" if suite.endswith("SHA384") else "sha256"
        self.size = 48 if self.hash == "sha384" else 32
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.layer = RecordLayer(Wire(self.socket))
        self.layer.version = (3, 3)
        self.write, self.transcript = Writing(self), HandshakeHashes()
        self.tickets, self.rest, self.longest, self.is_resumed = [], b"", 0, False
        self.ours = self.theirs = self.master = self.premaster = None
        self.random = bytearray(os.urandom(32))

    def close(self):
        self.socket.close()

    def send(self, *records):
        try:
            self.socket.sendall(b"".join(records))
        except OSError:
            pass

    # Hearing.

    def record(self):
        """The type and the content of the next record."""
        for result in self.layer.recvRecord():
            if result not in (0, 1):
                header, parser = result
                self.longest = max(self.longest, len(parser.bytes))
                return header.type, bytes(parser.bytes)

    def message(self):
        """The next handshake message, whole; what else comes before the handshake is over is passed over or ends it."""
        while len(self.rest) < 4 or len(self.rest) < 4 + int.from_bytes(self.rest[1:4], "big"):
            kind, content = self.record()
            if kind == ALERT:
                raise Refused(ALERTS.get(content[1], str(content[1])))
            if kind == CCS and self.version == "1.2":
                self.layer.changeReadState()
            elif kind == HANDSHAKE:
                self.rest += content
        length = 4 + int.from_bytes(self.rest[1:4], "big")
        found, self.rest = self.rest[:length], self.rest[length:]
        self.transcript.update(found)
        return found

    def verdict(self, wanted):
        """What the server does: it gives `wanted` back, says an alert, or is gone. New keys of its own are counted."""
        got, updates, said = b"", 0, []
        try:
            while len(got) < len(wanted):
                kind, content = self.record()
                if kind == DATA:
                    got += content
                elif kind == CCS and self.version == "1.2":
                    self.layer.changeReadState()
                elif kind == HANDSHAKE and content[0] == 24:
                    updates += 1
                    self.ours, self.theirs = self.layer.calcTLS1_3KeyUpdate_sender(self.number, self.ours, self.theirs)
                elif kind == HANDSHAKE and content[0] == 4 and self.version == "1.3":
                    self.tickets.append(NewSessionTicket().parse(Parser(bytearray(content[1:]))))
                elif kind == HANDSHAKE and content[0] == 4:
                    self.tickets.append(content[10:])
                elif kind == ALERT:
                    said.append(ALERTS.get(content[1], str(content[1])))
                    if content[0] == 2 or content[1] == 0:
                        return " ".join(said)
        except (ConnectionResetError, BrokenPipeError, TLSAbruptCloseError):
            return " ".join(said + ["closed"])
        except TimeoutError:
            return "silence"
        except TLSBadRecordMAC:
            return "garbage"
        if got != wanted:
            return "other bytes"
        return " ".join(said + ["echo"] + ([f"{updates} new keys"] if updates else []))

    # Speaking.

    def hello(self, more=(), shares=True, versions=None, identifier=b"\x5a" * 32, ticket=None, modes=(1,), spoil=False):
        """A ClientHello. `more`: (type, content) of further extensions; `ticket`: what `resumption` gave, or several of them."""
        self.exchange = ECDHKeyExchange(GroupName.x25519, (3, 4))
        secret = self.exchange.get_random_private_key()
        public, self.secret = self.exchange.calc_public_value(secret), secret
        groups = [GroupName.x25519, GroupName.secp256r1]
        schemes = [SignatureScheme.ecdsa_secp256r1_sha256, SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.rsa_pkcs1_sha256]
        extensions = [SupportedGroupsExtension().create(groups), SignatureAlgorithmsExtension().create(schemes),
                      ECPointFormatsExtension().create([0])]
        extensions += [TLSExtension(extType=kind).create(kind, bytearray(content)) for kind, content in more]
        if self.version == "1.3":
            entries = [KeyShareEntry().create(GroupName.x25519, public, secret)] if shares else []
            extensions += [SupportedVersionsExtension().create(versions or [(3, 4)]), ClientKeyShareExtension().create(entries),
                           PskKeyExchangeModesExtension().create(list(modes))]
        tickets = ticket if isinstance(ticket, list) else [ticket] if ticket else []
        if self.version == "1.3" and tickets:
            identities = [PskIdentity().create(t.ticket, t.ticket_age_add) for t, _ in tickets]
            extensions.append(PreSharedKeyExtension().create(identities, [bytearray(len(master)) for _, master in tickets]))
        hello = ClientHello().create((3, 3), self.random, bytearray(identifier), [self.number], extensions=extensions)
        if self.version == "1.3" and tickets:
            HandshakeHelpers.update_binders(hello, self.transcript, [], [t for t, _ in tickets], tickets[0][1])
            if spoil:
                hello.extensions[-1].binders[0][0] ^= 1
        self.offered, self.identifier = tickets, identifier
        written = self.first = bytes(hello.write())
        self.transcript.update(written)
        return written

    def resumption(self):
        """What a next conversation resumes this one by."""
        ticket = self.tickets[0]
        return (ticket, self.resuming) if self.version == "1.3" else (ticket, self.master)

    def start(self, **how):
        """Says hello, and hears what the server says before it is our turn."""
        self.send(plain(HANDSHAKE, self.hello(**how), 0x301))
        return self.answered()

    def answered(self):
        """Hears what the server says to a hello that was sent."""
        self.heard = ServerHello().parse(Parser(bytearray(self.message()[1:])))
        if self.version == "1.2":
            self.start_legacy()
        else:
            self.start_modern()
        return self

    def retry(self, **how):
        """After a HelloRetryRequest: the hash of the first hello takes its place, and another hello is made."""
        first, request = self.first, self.message()
        expect(request[6:38] == RETRY, "no HelloRetryRequest")
        self.transcript = HandshakeHashes()
        digest = HandshakeHashes()
        digest.update(first)
        self.transcript.update(message(254, digest.digest(self.hash)))
        self.transcript.update(request)
        return self.hello(**how)

    def start_modern(self):
        if bytes(self.heard.random) == RETRY:
            raise Refused("hello retry")
        share = self.heard.getExtension(ExtensionType.key_share)
        chosen = self.heard.getExtension(ExtensionType.pre_shared_key)
        shared = self.exchange.calc_shared_key(self.secret, share.server_share.key_exchange) if share else bytearray(self.size)
        known = bytearray(self.size)
        self.is_resumed = chosen is not None
        if self.is_resumed:
            ticket, master = self.offered[chosen.selected]
            known = HKDF_expand_label(master, b"resumption", ticket.ticket_nonce, len(master), self.hash)
        early = secureHMAC(bytearray(self.size), known, self.hash)
        hands = secureHMAC(derive_secret(early, bytearray(b"derived"), None, self.hash), shared, self.hash)
        self.ours, self.theirs = (
            derive_secret(hands, bytearray(label), self.transcript, self.hash) for label in (b"c hs traffic", b"s hs traffic"))
        self.layer.version = (3, 4)
        self.layer.tls13record = True
        self.layer.calcTLS1_3PendingState(self.number, self.ours, self.theirs, None)
        self.layer.changeReadState()
        while self.message()[0] != 20:
            pass
        self.layer.changeWriteState()
        self.main = secureHMAC(derive_secret(hands, bytearray(b"derived"), None, self.hash), bytearray(self.size), self.hash)
        # What the server says from here on it says with the keys of the data.
        self.data = [derive_secret(self.main, bytearray(label), self.transcript, self.hash) for label in (b"c ap traffic", b"s ap traffic")]
        self.layer.calcTLS1_3PendingState(self.number, *self.data, None)
        self.layer.changeReadState()

    def start_legacy(self):
        self.is_resumed = bool(self.offered) and self.heard.session_id == bytearray(self.identifier)
        if self.is_resumed:
            self.master = self.offered[0][1]
            self.keys_legacy()
            while self.message()[0] != 20:
                pass
            return
        while (heard := self.message())[0] != 14:
            if heard[0] == 12:
                # Curve, x25519: its public value behind type, name and length.
                expect(heard[4:7] == b"\x03\x00\x1d", "another curve was chosen")
                theirs = heard[8:8 + heard[7]]
        self.premaster = self.exchange.calc_shared_key(self.secret, bytearray(theirs))

    def key_exchange(self):
        """1.2: our share of the key; the keys follow from it."""
        public = self.exchange.calc_public_value(self.secret)
        written = message(16, bytes([len(public)]) + bytes(public))
        self.transcript.update(written)
        label, seeds = b"master secret", {"client_random": self.random, "server_random": self.heard.random}
        if self.heard.getExtension(ExtensionType.extended_master_secret):
            label, seeds = b"extended master secret", {"handshake_hashes": self.transcript}
        self.master = calc_key((3, 3), self.premaster, self.number, label, output_length=48, **seeds)
        self.keys_legacy()
        return written

    def keys_legacy(self):
        self.layer.calcPendingStates(self.number, self.master, self.random, self.heard.random, None)

    def finished(self):
        """Our Finished."""
        if self.version == "1.2":
            verify = calc_key((3, 3), self.master, self.number, b"client finished", handshake_hashes=self.transcript, output_length=12)
        else:
            key = HKDF_expand_label(self.ours, b"finished", b"", self.size, self.hash)
            verify = secureHMAC(key, self.transcript.digest(self.hash), self.hash)
        written = message(20, verify)
        self.transcript.update(written)
        return written

    def enter(self):
        """From here on we speak with the next keys: those of the data; in 1.2 behind our change of cipher."""
        if self.version == "1.3":
            self.resuming = derive_secret(self.main, bytearray(b"res master"), self.transcript, self.hash)
            self.ours, self.theirs = self.data
        self.layer.changeWriteState()

    def finish(self):
        """The records that end the handshake as they should."""
        if self.version == "1.3":
            records = self.write.seal(self.finished(), HANDSHAKE)
            self.enter()
            return records
        records = b"" if self.is_resumed else plain(HANDSHAKE, self.key_exchange())
        records += plain(CCS, b"\1")
        self.enter()
        return records + self.write.seal(self.finished(), HANDSHAKE)

    def ask(self, *records, wanted=b""):
        """Sends records and asks whether the server is still there; what it does."""
        self.send(*records, self.write.seal(PING))
        return self.verdict(wanted + PING)


class Refused(Exception):
    """The server has said something else than the case wants, before the handshake was over."""
