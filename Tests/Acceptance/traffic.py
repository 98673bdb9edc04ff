"""Both ends of many sessions through a balancer that keeps dying: every byte is known by its place in its stream.

One process with one epoll set is all clients and all servers. Kinds of sessions, each with streams both ways in random sizes:
plain, plain with small socket buffers, over TLS 1.3 with new keys both ways, over TLS 1.2, a WebSocket over TLS, TLS towards the
server, a WebSocket on the client's side, on the server's side, and edited beginnings (PROXY
header in and out, another CONNECT), also behind a WebSocket. Beside them ping-pong sessions, which hang when an event is lost,
and short sessions that come and go.
"""

import base64
import hashlib
import os
import random
import select
import socket
import struct
import time

from house import expect, length
from tlsraw import Sealed

# A prime, so that no block of a power of two repeats.
PERIOD = 65521
TABLE = random.Random(5).randbytes(PERIOD) * 3
SIZES = (1, 2, 100, 1500, 9000, 40000)
# Bytes of a stream that were sent and have not arrived.
IN_FLIGHT = 200_000
# Kinds whose clients speak TLS, and its version; kinds whose clients speak WebSocket.
CLIENT_TLS = {"tls13": "1.3", "tls12": "1.2", "wss": "1.3"}
WEBSOCKETS = ("ws-client", "edited-ws", "wss")
GREETING = b"\r\n\r\n\0\r\nQUIT\n"


def pattern(stream, place, count):
    start = (place + stream * 7919) % PERIOD
    return TABLE[start:start + count]


def masked(key, data, offset=0):
    if not data:
        return data
    key = key[offset % 4:] + key[:offset % 4]
    pad = key * (len(data) // 4 + 1)
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad[:len(data)], "big")).to_bytes(len(data), "big")


class Frames:
    """Takes a stream of WebSocket frames apart."""

    def __init__(self):
        self.header, self.left, self.opcode, self.key, self.place, self.control = b"", 0, 0, None, 0, b""
        self.pings, self.pongs, self.closed = [], [], False

    def feed(self, data):
        out = []
        while data:
            if self.left:
                piece, data = data[:self.left], data[self.left:]
                plain = masked(self.key, piece, self.place) if self.key else piece
                self.left -= len(piece)
                self.place += len(piece)
                if self.opcode < 8:
                    out.append(plain)
                else:
                    self.control += plain
            else:
                self.header, data = self.header + data[:1], data[1:]
                if not self.complete():
                    continue
            if not self.left and self.opcode >= 8:
                {8: lambda: setattr(self, "closed", True), 9: lambda: self.pings.append(self.control),
                 10: lambda: self.pongs.append(self.control)}[self.opcode]()
                self.control = b""
        return b"".join(out)

    def complete(self):
        head = self.header
        if len(head) < 2:
            return False
        short, size = head[1] & 127, 2
        size += {126: 2, 127: 8}.get(short, 0) + (4 if head[1] & 128 else 0)
        if len(head) < size:
            return False
        self.opcode, self.place = head[0] & 15, 0
        expect(self.opcode in (0, 2, 8, 9, 10), "an opcode", self.opcode)
        self.left = {126: lambda: struct.unpack(">H", head[2:4])[0], 127: lambda: struct.unpack(">Q", head[2:10])[0]}.get(
            short, lambda: short)()
        self.key = head[size - 4:size] if head[1] & 128 else None
        self.header = b""
        return True


def frame(payload, mask, opcode=2, final=True):
    head = bytes([opcode | (128 if final else 0)])
    bit = 128 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + masked(key, payload)


def connect_packet(identity):
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(identity)) + identity
    return b"\x10" + length(len(body)) + body


def proxy_header(port):
    return GREETING + b"\x21\x11\x00\x0c" + bytes([10, 1, 2, 3]) + bytes([127, 0, 0, 1]) + struct.pack(">HH", port, 1883)


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
        sock.setblocking(False)
        world.watch(sock, self.event)

    def event(self, what):
        if what & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and not self.ended:
            self.receive()
        if what & select.EPOLLOUT and (self.pending or getattr(self.socket, "owing", False)):
            self.flush()

    def receive(self):
        # Over TLS what is read at a time may be more than is taken at a time: no event tells of the rest.
        for _ in range(32):
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
            # A record at a time goes out over TLS.
            while True:
                self.pending = self.pending[self.socket.send(self.pending):]
                if not self.pending or not isinstance(self.socket, Sealed):
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(f"{error} after {self.sent} bytes were sent")
            self.pending = b""
        if self.finishing and not self.pending:
            self.shutdown()

    def shutdown(self):
        if self.frames is None and not self.shut:
            self.shut = True
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self.fail(f"{error} at the end")

    @property
    def owed(self):
        return self.peer is not None and self.received < self.peer.sent


class World:
    """The epoll set, the servers' listeners, and all that goes on."""

    def __init__(self, ports, certificate=None):
        """`ports`: kind → (where the balancer listens, where its server does). `certificate`: files of the server behind TLS."""
        self.certificate = certificate
        self.ports = ports
        self.poll = select.epoll()
        self.handlers = {}
        self.sessions = []
        self.expected = {}
        self.pongs = []
        self.short = {"whole": 0, "early": 0, "lost": 0}
        self.next = 0
        self.longest = 0.0
        for kind, (_, port) in ports.items():
            listener = socket.create_server(("127.0.0.1", port), backlog=1024)
            listener.setblocking(False)
            self.watch(listener, lambda what, listener=listener, kind=kind: self.accept(listener, kind))

    def watch(self, sock, handler):
        self.handlers[sock.fileno()] = (sock, handler)
        try:
            self.poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        except FileExistsError:
            self.poll.modify(sock.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def unwatch(self, sock):
        if self.handlers.pop(sock.fileno(), None):
            self.poll.unregister(sock.fileno())

    def turn(self, patience=0.002):
        for number, what in self.poll.poll(patience):
            entry = self.handlers.get(number)
            if entry:
                entry[1](what)

    # Servers.

    def accept(self, listener, kind):
        while True:
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if kind == "tls-server":
                try:
                    sock.settimeout(10)
                    sock = Sealed(sock, "1.3", self.certificate)
                except OSError:
                    # The balancer died in the middle of it.
                    sock.close()
                    continue
            sock.setblocking(False)
            state = {"bytes": b"", "frames": None}
            self.watch(sock, lambda what, sock=sock, state=state: self.greet(sock, state, kind))

    def greet(self, sock, state, kind):
        """Reads what stands before the stream, answers the CONNECT, and finds whose it is."""
        try:
            while True:
                data = sock.recv(65536)
                if not data:
                    raise OSError("closed")
                state["bytes"] += state["frames"].feed(data) if state["frames"] else data
        except BlockingIOError:
            pass
        except OSError:
            self.unwatch(sock)
            sock.close()
            return
        if kind.startswith("edited") and not self.take_header(state):
            return
        if kind == "ws-server" and state["frames"] is None and not self.upgrade(sock, state):
            return
        data = state["bytes"]
        if len(data) < 2 or len(data) < 2 + data[1]:
            return
        name = data[14:2 + data[1]].decode()
        rest = data[2 + data[1]:]
        self.unwatch(sock)
        answer = b"\x20\x02\x00\x00"
        sock.send(frame(answer, False) if kind == "ws-server" else answer)
        name = name.removeprefix("renamed-")
        if name in self.expected:
            client, number = self.expected.pop(name)
            end = End(self, sock, 2 * number + 1, 2 * number, state["frames"])
            end.peer, client.peer = client, end
            client.server = end
            end.take(rest) if state["frames"] is None else end.receive()
        elif name.startswith("pong"):
            self.watch(sock, lambda what: self.echo(sock))
        else:
            self.watch(sock, lambda what, state={"n": 0}: self.serve_short(sock, name, state))

    def take_header(self, state):
        """The PROXY header of ours stands before the CONNECT."""
        if state.get("header"):
            return True
        data = state["bytes"]
        if len(data) < 16 or len(data) < 16 + struct.unpack(">H", data[14:16])[0]:
            return False
        expect(data[:12] == GREETING, "no PROXY header:", data[:20])
        expect(data[16:20] == bytes([10, 1, 2, 3]), "another client:", data[16:20])
        state["bytes"] = data[16 + struct.unpack(">H", data[14:16])[0]:]
        state["header"] = True
        return True

    def upgrade(self, sock, state):
        head, mark, rest = state["bytes"].partition(b"\r\n\r\n")
        if not mark:
            return False
        key = next(line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        sock.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        state["frames"] = Frames()
        state["bytes"] = state["frames"].feed(rest)
        return True

    def echo(self, sock):
        try:
            while True:
                data = sock.recv(4096)
                if not data:
                    raise OSError("closed")
                sock.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.unwatch(sock)
            sock.close()

    def serve_short(self, sock, name, state):
        """Echoes a few bytes; or hears the end of the client's stream, and answers with much."""
        try:
            while True:
                data = sock.recv(4096)
                if not data:
                    if name.startswith("half"):
                        sock.setblocking(True)
                        sock.settimeout(20)
                        sock.sendall(pattern(state["n"], 0, 30000))
                    self.unwatch(sock)
                    sock.close()
                    return
                state["n"] += len(data)
                if not name.startswith("half"):
                    sock.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.unwatch(sock)
            sock.close()

    # Clients.

    def open(self, kind, name, small=False):
        """A connection that has said its CONNECT."""
        sock = socket.socket()
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", self.ports[kind][0]))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind in CLIENT_TLS:
            sock = Sealed(sock, CLIENT_TLS[kind])
        head = proxy_header(sock.getsockname()[1]) if kind.startswith("edited") else b""
        packet = connect_packet(name.encode())
        if kind in WEBSOCKETS:
            key = base64.b64encode(os.urandom(16))
            head += (b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
            packet = frame(packet, True)
        sock.sendall(head + packet)
        return sock

    def begin(self, kind, small=False):
        """Opens a session and waits until it is let in."""
        self.next += 1
        number, name = self.next, f"s{self.next}"
        sock = self.open(kind, name, small)
        framed = kind in WEBSOCKETS
        client = End.__new__(End)
        self.expected[name] = (client, number)
        answer, limit = b"", time.monotonic() + 20
        sock.setblocking(False)
        frames = Frames() if framed else None
        head = framed
        while len(answer) < 4 or head:
            self.turn()
            expect(time.monotonic() < limit, name, "is not let in", answer)
            try:
                answer += sock.recv(4 - len(answer)) if not framed else sock.recv(1)
            except BlockingIOError:
                continue
            if head and answer.endswith(b"\r\n\r\n"):
                expect(answer.startswith(b"HTTP/1.1 101"), answer)
                head, answer = False, b""
                while len(answer) < 4:
                    self.turn()
                    expect(time.monotonic() < limit, name, "is not let in", answer)
                    try:
                        answer += frames.feed(sock.recv(1))
                    except BlockingIOError:
                        pass
        expect(answer == b"\x20\x02\x00\x00", name, "was answered", answer)
        peer = getattr(client, "peer", None)
        End.__init__(client, self, sock, 2 * number, 2 * number + 1, frames, framed)
        client.peer, client.kind, client.number, client.server = peer, kind, number, peer
        self.sessions.append(client)

    def begin_pong(self):
        self.next += 1
        sock = self.open("plain", f"pong{self.next}")
        self.turn()
        limit = time.monotonic() + 20
        sock.setblocking(False)
        state = {"socket": sock, "since": 0.0, "said": b"", "heard": b"", "rounds": 0, "failure": None}
        answer = b""
        while len(answer) < 4:
            self.turn()
            expect(time.monotonic() < limit, "a ping-pong session is not let in")
            try:
                answer += sock.recv(4)
            except BlockingIOError:
                pass
        self.watch(sock, lambda what: self.pong(state))
        self.pongs.append(state)
        self.serve(state)

    def serve(self, state):
        state["rounds"] += 1
        state["said"] = b"round %10d" % state["rounds"]
        state["heard"] = b""
        state["since"] = time.monotonic()
        try:
            state["socket"].send(state["said"])
        except OSError as error:
            state["failure"] = str(error)

    def pong(self, state):
        try:
            data = state["socket"].recv(4096)
            if not data:
                raise OSError("closed")
        except BlockingIOError:
            return
        except OSError as error:
            state["failure"] = state["failure"] or str(error)
            self.unwatch(state["socket"])
            return
        state["heard"] += data
        if state["heard"] == state["said"]:
            self.longest = max(self.longest, time.monotonic() - state["since"])
            self.serve(state)
        elif len(state["heard"]) >= len(state["said"]):
            state["failure"] = f"said {state['said']}, heard {state['heard']}"

    def hung(self, patience):
        return [state for state in self.pongs if not state["failure"] and time.monotonic() - state["since"] > patience]

    def visit(self):
        """A short session beside the others; every second one ends its stream before it is answered."""
        self.next += 1
        half = self.next % 2 == 0
        name = f"half{self.next}" if half else f"short{self.next}"
        hello = pattern(self.next, 0, 1 + self.next % 50)
        try:
            sock = self.open("plain", name)
        except OSError:
            self.short["early"] += 1
            return
        sock.setblocking(False)
        state = {"bytes": b"", "in": False}
        wanted = b"\x20\x02\x00\x00" + (pattern(len(hello), 0, 30000) if half else hello)

        def done(word):
            self.short[word] += 1
            self.unwatch(sock)
            sock.close()

        def event(_):
            try:
                while True:
                    data = sock.recv(65536)
                    state["bytes"] += data
                    if not state["in"] and len(state["bytes"]) >= 4:
                        state["in"] = True
                        sock.send(hello)
                        if half:
                            sock.shutdown(socket.SHUT_WR)
                    if state["bytes"] == wanted:
                        return done("whole")
                    if not data:
                        return done("lost" if state["in"] else "early")
            except BlockingIOError:
                pass
            except OSError:
                done("lost" if state["in"] else "early")

        self.watch(sock, event)

    # The whole.

    def push(self):
        """Some ends say something."""
        for client in self.sessions:
            for end in (client, client.server):
                if end and not end.pending and not end.failure and not end.finishing and random.random() < 0.15:
                    if end.peer and end.sent - end.peer.received < IN_FLIGHT:
                        end.send(random.choice(SIZES))

    def finish(self, limit=60):
        """Every stream ends; what is said is heard."""
        ends = [end for client in self.sessions for end in (client, client.server) if end]
        for end in ends:
            end.finishing = True
            if not end.pending:
                end.shutdown()
        until = time.monotonic() + limit
        while time.monotonic() < until and any(
                not e.failure and (e.pending or e.owed or (e.frames is None and e.peer.frames is None and not e.ended))
                for e in ends):
            self.turn(0.01)

    def failures(self):
        found = []
        for client in self.sessions:
            name = f"{client.kind} session {client.number}"
            if client.server is None:
                found.append(f"{name} has no server")
                continue
            for end, side in ((client, "client"), (client.server, "server")):
                if end.failure:
                    found.append(f"{name}, {side}: {end.failure}")
                if end.owed and not end.failure:
                    found.append(f"{name}, {side}: {end.peer.sent} were sent, {end.received} came")
                if end.frames and end.pings and not end.failure:
                    # Only the last ping has to be answered; a death may answer one twice.
                    if end.frames.pongs[-1:] != [b"ping %d" % end.pings]:
                        found.append(f"{name}, {side}: ping {end.pings} was answered by {end.frames.pongs[-1:]}")
        found += [f"ping-pong: {state['failure']}" for state in self.pongs if state["failure"]]
        return found

    def moved(self):
        return sum(end.received for client in self.sessions for end in (client, client.server) if end)
