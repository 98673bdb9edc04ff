"""One end of a checked session: every byte is known by its place in its stream."""

import random
import select
import socket
import ssl

from cryptography.exceptions import InvalidTag

from frames import frame
from tlsraw import ALERT, DATA, HANDSHAKE, Shaken

# A prime, so that no block of a power of two repeats.
PERIOD = 65521
TABLE = random.Random(5).randbytes(PERIOD) * 3
SIZES = (1, 2, 100, 1500, 9000, 40000)
# Bytes of a stream that were sent and have not arrived.
IN_FLIGHT = 200_000


def pattern(stream, place, count):
    start = (place + stream * 7919) % PERIOD
    return TABLE[start:start + count]


class Secure:
    """A socket that speaks TLS, with the words of one that does not."""

    def __init__(self, sock, context):
        """Shakes hands at once, on a socket that still blocks."""
        self.socket, self.incoming, self.outgoing, self.left = sock, ssl.MemoryBIO(), ssl.MemoryBIO(), b""
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(self.outgoing.read())
                data = sock.recv(65536)
                if not data:
                    raise OSError("closed in the handshake") from None
                self.incoming.write(data)
        sock.sendall(self.outgoing.read())

    def fileno(self):
        return self.socket.fileno()

    def setblocking(self, value):
        self.socket.setblocking(value)

    def getsockname(self):
        return self.socket.getsockname()

    def close(self):
        self.socket.close()

    def recv(self, count):
        while True:
            try:
                return self.tls.read(count)
            except ssl.SSLWantReadError:
                data = self.socket.recv(65536)
                if not data:
                    return b""
                self.incoming.write(data)
            except ssl.SSLZeroReturnError:
                return b""

    def send(self, data):
        self.flush()
        if self.left:
            raise BlockingIOError
        count = self.tls.write(data[:16384])
        self.left = self.outgoing.read()
        self.flush()
        return count

    def sendall(self, data):
        while data:
            data = data[self.send(data):]

    def flush(self):
        try:
            while self.left:
                self.left = self.left[self.socket.send(self.left):]
        except BlockingIOError:
            pass


class Renewing(Secure):
    """The same with records of the script's own, by which it announces new keys again and again, and wishes for the other side's."""

    # One of so many records announces new keys, and every second of these wishes for the other side's.
    INTERVAL = 8

    def __init__(self, sock, server=None):
        """Shakes hands at once, on a socket that still blocks. `server`: (certificate, key) of one."""
        self.socket, self.left, self.ready, self.is_over = sock, b"", b"", False
        self.shaken = Shaken(sock, "1.3", server)
        self.renewed = self.heard = 0

    def recv(self, count):
        while not self.ready and not self.is_over:
            record = self.shaken.record(self.socket)
            if record is None:
                return b""
            try:
                kind, content = self.shaken.read.open(record)
            except InvalidTag:
                raise OSError(f"record {self.shaken.read.sequence} after {self.heard} renewals does not verify") from None
            if kind == DATA:
                self.ready = content
            elif kind == HANDSHAKE and content[0] == 24:
                self.shaken.read.update()
                self.heard += 1
            elif kind == ALERT:
                if content[1] != 0:
                    raise OSError(f"alert {content[1]}")
                self.is_over = True
        piece, self.ready = self.ready[:count], self.ready[count:]
        return piece

    def send(self, data):
        self.flush()
        if self.left:
            raise BlockingIOError
        if random.randrange(self.INTERVAL) == 0:
            self.left = self.shaken.write.seal(bytes([24, 0, 0, 1, random.randrange(2)]), HANDSHAKE)
            self.shaken.write.update()
            self.renewed += 1
        data = data[:16384]
        self.left += self.shaken.write.seal(data)
        self.flush()
        return len(data)


class End:
    """One end of a session: what it sends and what it expects, in frames or not."""

    def __init__(self, world, sock, outgoing, incoming, frames=None, mask=False):
        self.world, self.socket, self.outgoing, self.incoming = world, sock, outgoing, incoming
        self.frames, self.mask = frames, mask
        self.sent = self.received = 0
        self.pending = b""
        self.peer = None
        self.failure = None
        self.ended = self.shut = self.finishing = False
        self.pings = 0
        # Whether its stream can end while the other goes on.
        self.halves = frames is None and not isinstance(sock, Secure)
        sock.setblocking(False)
        world.watch(sock, self.event)

    def event(self, what):
        if what & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and not self.ended:
            self.receive()
        if what & select.EPOLLOUT:
            if isinstance(self.socket, Secure):
                self.socket.flush()
            if self.pending:
                self.flush()

    def receive(self):
        # To the end: the set tells of each arrival once. What is in flight is bounded.
        while True:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                self.fail(f"{error} after {self.received} bytes")
                return
            if not data:
                self.ended = True
                self.world.unwatch(self.socket)
                if not self.finishing:
                    self.fail(f"ended after {self.received} bytes")
                return
            self.take(data)

    def take(self, data):
        if self.frames:
            data = self.frames.feed(data)
            if self.frames.closed and not self.finishing:
                self.fail(f"closed by a frame after {self.received} bytes")
        while data:
            piece, data = data[:PERIOD], data[PERIOD:]
            if piece != pattern(self.incoming, self.received, len(piece)):
                self.fail(f"stream {self.incoming} is wrong behind byte {self.received}")
            self.received += len(piece)

    def fail(self, words):
        self.failure = self.failure or words

    def send(self, count):
        """The next bytes of the stream, as one frame or two, and a ping now and then."""
        payload = pattern(self.outgoing, self.sent, count)
        self.sent += count
        if self.frames is None:
            self.pending += payload
        elif count > 1 and random.random() < 0.3:
            cut = random.randrange(1, count)
            self.pending += frame(payload[:cut], self.mask, 2, False)
            if random.random() < 0.5:
                self.ping()
            self.pending += frame(payload[cut:], self.mask, 0, True)
        else:
            self.pending += frame(payload, self.mask)
            if random.random() < 0.05:
                self.ping()
        self.flush()

    def ping(self):
        self.pings += 1
        self.pending += frame(b"ping %d" % self.pings, self.mask, 9)

    def flush(self):
        try:
            while self.pending:
                self.pending = self.pending[self.socket.send(self.pending):]
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(f"{error} after {self.sent} bytes were sent")
            self.pending = b""
        if self.finishing and not self.pending:
            self.shutdown()

    def shutdown(self):
        if self.halves and not self.shut:
            self.shut = True
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self.fail(f"{error} at the end")

    @property
    def owed(self):
        return self.peer is not None and self.received < self.peer.sent
