"""Both ends of many sessions through a balancer that keeps dying: every byte is known by its place in its stream.

One process with one epoll set is all clients and all servers. Kinds of sessions, each with streams both ways in random sizes:
plain, plain with small socket buffers, plain in bulk (through pipes), a WebSocket on the client's side, on the server's side, and edited beginnings (PROXY
header in and out, another CONNECT), also behind a WebSocket; TLS of both versions, around a WebSocket, on both sides, and with
new keys announced by either end. Beside them ping-pong sessions, which hang when an event is lost, and short sessions that come
and go, plain and over TLS, and sessions of MQTT 5.0 whose server asks for authentication in steps and ends them with a DISCONNECT in
pieces.
"""

import base64
import hashlib
import os
import random
import select
import socket
import struct
import time

from ends import BULK, BULK_IN_FLIGHT, End, IN_FLIGHT, Renewing, SIZES, Secure, pattern
from frames import Frames, frame
from house import expect, length

GREETING = b"\r\n\r\n\0\r\nQUIT\n"


# AUTH with "continue authentication", CONNACK, and DISCONNECTs (MQTT 5.0, 3.15, 3.2, 3.14).
AUTH, WELCOME = b"\xf0\x02\x18\x00", b"\x20\x03\x00\x00\x00"
TAKEN_OVER = b"\xe0\x09\x8e\x07\x1f\x00\x04gone"
SENT_AWAY, MOVED = b"\xe0\x16\x9c\x14\x1f\x00\x04away\x1c\x00\x0abroker:188", b"\xe0\x02\x9c\x00"


def connect_packet(identity, level=4):
    body = b"\x00\x04MQTT" + bytes([level]) + b"\x02\x00\x00" + (b"\x00" if level == 5 else b"")
    body += struct.pack(">H", len(identity)) + identity
    return b"\x10" + length(len(body)) + body


def proxy_header(port):
    return GREETING + b"\x21\x11\x00\x0c" + bytes([10, 1, 2, 3]) + bytes([127, 0, 0, 1]) + struct.pack(">HH", port, 1883)


class World:
    """The epoll set, the servers' listeners, and all that goes on."""

    def __init__(self, ports, contexts=None, certificate=None):
        """`ports`: kind → (where the balancer listens, where its server does). `contexts`: of the kinds that speak TLS, `None` for
        those whose records are the script's own. `certificate`: (certificate, key) of servers that speak TLS, too: their kinds end in
        `both`."""
        self.contexts = {kind: context for kind, context in (contexts or {}).items() if kind in ports}
        self.certificate = certificate
        self.ports = ports
        self.poll = select.epoll()
        self.handlers = {}
        self.sessions = []
        self.expected = {}
        self.pongs = []
        self.short = {"whole": 0, "early": 0, "lost": 0}
        # Of those that are sent away: their last word may be missing when a death was in it.
        self.away = {"whole": 0, "silent": 0, "early": 0, "lost": 0}
        # Sockets of servers with pieces that are sent one after the other.
        self.slow = []
        self.next = 0
        self.longest = 0.0
        for port, kind in {port: kind for kind, (_, port) in ports.items()}.items():
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
            if kind.endswith("both"):
                sock.settimeout(20)
                plain = sock
                try:
                    sock = Renewing(plain, self.certificate)
                except OSError:
                    # A balancer died in the handshake.
                    plain.close()
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
        place = 13 if data[8] == 5 else 12
        size = struct.unpack(">H", data[place:place + 2])[0]
        name, fields = data[place + 2:place + 2 + size].decode(), data[place + 2 + size:2 + data[1]]
        if kind == "edited-head":
            # Username and password that the client did not say: its client ID, and where it came from.
            expect(data[9] & 0xC0 == 0xC0, "the CONNECT was not rewritten:", data)
            texts = [name.encode(), b"10.1.2.3"]
            expect(fields == b"".join(struct.pack(">H", len(text)) + text for text in texts), "rewritten to", data)
        rest = data[2 + data[1]:]
        self.unwatch(sock)
        answer = AUTH if name.startswith("away") else b"\x20\x02\x00\x00"
        sock.send(frame(answer, False) if kind == "ws-server" else answer)
        if name in self.expected:
            client, number = self.expected.pop(name)
            end = End(self, sock, 2 * number + 1, 2 * number, state["frames"])
            end.peer, client.peer = client, end
            client.server = end
            end.take(rest) if state["frames"] is None else end.receive()
        elif name.startswith("pong"):
            self.watch(sock, lambda what: self.echo(sock))
        elif name.startswith("away"):
            self.watch(sock, lambda what, heard=[b""]: self.send_away(sock, int(name[4:]), heard))
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

    def send_away(self, sock, number, heard):
        """The client has answered AUTH: it is let in, given something, and sent away."""
        try:
            data = sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            heard[0] += data
            if heard[0] != AUTH:
                return
            stream = self.said_to(number) + (SENT_AWAY if number % 2 else TAKEN_OVER)
            cuts = sorted(random.randrange(1, len(stream)) for _ in range(random.choice((0, 3, 10))))
            self.slow.append((sock, [stream[a:b] for a, b in zip([0] + cuts, cuts + [len(stream)]) if b > a]))
        else:
            self.slow = [entry for entry in self.slow if entry[0] is not sock]
            self.unwatch(sock)
            sock.close()

    def said_to(self, number):
        """CONNACK and a message."""
        payload = pattern(number, 0, number % 90)
        return WELCOME + bytes([0x30, 4 + len(payload)]) + b"\x00\x01t\x00" + payload

    # Clients.

    def open(self, kind, name, small=False, level=4):
        """A connection that has said its CONNECT."""
        sock = socket.socket()
        if small:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", self.ports[kind][0]))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = proxy_header(sock.getsockname()[1]) if kind.startswith("edited") else b""
        packet = connect_packet(name.encode(), level)
        if kind in self.contexts:
            context = self.contexts[kind]
            sock = Secure(sock, context) if context else Renewing(sock)
        if kind in ("ws-client", "edited-ws", "wss"):
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
        framed = kind in ("ws-client", "edited-ws", "wss")
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
        client.bulk = kind == "plain" and number % 6 == 2
        self.sessions.append(client)

    def begin_pong(self, kind="plain"):
        self.next += 1
        sock = self.open(kind, f"pong{self.next}")
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
        # A stream of TLS that is ended by one side is over for both.
        kind = random.choice(["plain", *self.contexts]) if not half and random.random() < 0.3 else "plain"
        if kind == "wss":
            kind = "plain"
        try:
            sock = self.open(kind, name)
        except OSError:
            self.short["early"] += 1
            return
        sock.setblocking(False)
        state = {"bytes": b"", "in": False}
        wanted = b"\x20\x02\x00\x00" + (pattern(len(hello), 0, 30000) if half else hello)

        def hear(data):
            state["bytes"] += data
            if not state["in"] and len(state["bytes"]) >= 4:
                state["in"] = True
                sock.send(hello)
                if half:
                    sock.shutdown(socket.SHUT_WR)
            return state["bytes"] == wanted

        def over():
            self.short["whole" if state["bytes"] == wanted else "lost" if state["in"] else "early"] += 1

        self.attend(sock, hear, over)

    def visit_away(self):
        """A session of 5.0 that authenticates in two steps and is sent away."""
        self.next += 1
        number = self.next
        kind = random.choice([kind for kind in ("plain", "ws-client", "tls13", "tls12", "wss") if kind in self.ports])
        framed = kind in ("ws-client", "wss")
        try:
            sock = self.open(kind, f"away{number}", level=5)
        except OSError:
            self.away["early"] += 1
            return
        sock.setblocking(False)
        state = {"bytes": b"", "raw": b"", "frames": None, "answered": False}
        wanted = AUTH + self.said_to(number)
        last = MOVED if number % 2 else TAKEN_OVER

        def hear(data):
            if framed and state["frames"] is None:
                state["raw"] += data
                _, mark, data = state["raw"].partition(b"\r\n\r\n")
                if not mark:
                    return
                state["frames"] = Frames()
            state["bytes"] += state["frames"].feed(data) if framed else data
            if not state["answered"] and len(state["bytes"]) >= len(AUTH):
                state["answered"] = True
                sock.send(frame(AUTH, True) if framed else AUTH)

        def over():
            heard = state["bytes"]
            if heard == wanted + last:
                word = "whole"
            elif not heard:
                word = "early"
            else:
                word = "silent" if heard == wanted and number % 2 else "lost"
            if word == "lost":
                print(f"lost: {kind} {number}: {heard} instead of {wanted + last}")
            self.away[word] += 1

        self.attend(sock, hear, over)

    def attend(self, sock, hear, over):
        """Tells what a socket receives, until that is enough, or the stream has ended."""
        def event(_):
            try:
                while True:
                    data = sock.recv(65536)
                    if hear(data) or not data:
                        break
            except BlockingIOError:
                return
            except OSError:
                pass
            over()
            self.unwatch(sock)
            sock.close()

        self.watch(sock, event)

    # The whole.

    def push(self):
        """Some ends say something."""
        for entry in list(self.slow):
            sock, pieces = entry
            try:
                sock.send(pieces.pop(0))
            except OSError:
                pieces.clear()
            if not pieces:
                self.slow.remove(entry)
                self.unwatch(sock)
                sock.close()
        for client in self.sessions:
            for end in (client, client.server):
                if end and not end.pending and not end.failure and not end.finishing and random.random() < 0.15:
                    if end.peer and end.sent - end.peer.received < IN_FLIGHT:
                        end.send(random.choice(SIZES))
                    while client.bulk and end.peer and not end.pending and end.sent - end.peer.received < BULK_IN_FLIGHT:
                        end.send(BULK)

    def finish(self, limit=60):
        """Every stream ends; what is said is heard."""
        ends = [end for client in self.sessions for end in (client, client.server) if end]
        for end in ends:
            end.finishing = True
            if not end.pending:
                end.shutdown()
        until = time.monotonic() + limit
        while time.monotonic() < until and any(
                not e.failure and (e.pending or e.owed or (e.halves and e.peer.halves and not e.ended))
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

    def moved_by_kind(self):
        """Bytes that arrived at either end, by kind of session."""
        told = dict.fromkeys(self.ports, 0)
        for client in self.sessions:
            for end in (client, client.server):
                told[client.kind] += end.received if end else 0
        return told
    def renewals(self):
        """Times that new keys were announced by ends, and to them."""
        sockets = [end.socket for client in self.sessions for end in (client, client.server) if end]
        return [sum(getattr(sock, word, 0) for sock in sockets) for word in ("renewed", "heard")]

    def moved(self):
        return sum(end.received for client in self.sessions for end in (client, client.server) if end)
