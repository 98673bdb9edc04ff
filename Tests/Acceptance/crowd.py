"""Crowds of clients that cost little, and brokers that answer them."""

import os
import resource
import select
import signal
import socket
import ssl
import time

import house


class Plain:
    """What ssl.SSLObject is, without TLS."""

    def __init__(self, incoming, outgoing):
        self.incoming, self.outgoing = incoming, outgoing

    def do_handshake(self):
        pass

    def write(self, data):
        self.outgoing.write(data)

    def read(self, count):
        if self.incoming.pending < count:
            raise ssl.SSLWantReadError()
        return self.incoming.read(count)


def answer_everybody(address):
    """A broker that answers CONNECT and PINGREQ and does nothing else, so that it costs little: a process of its own."""
    if os.fork():
        return
    import asyncio

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readexactly(2)
                if head[1]:
                    await reader.readexactly(head[1])
                if head[0] == 0x10:
                    writer.write(b"\x20\x02\x00\x00")
                elif head[0] == 0xC0:
                    writer.write(b"\xd0\x00")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def forever():
        server = await asyncio.start_server(serve, address, 1883, backlog=16384)
        await server.serve_forever()

    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    asyncio.run(forever())
    os._exit(0)


# The processes of herds.
HERDS = []


def dismiss():
    """Ends all herds, and with them their connections."""
    while HERDS:
        pid = HERDS.pop()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def herd(count, part, parts, go, folder, port=8883):
    """A part of the clients, a process of its own: connects them all without waiting for one another.

    `folder`: of the certificates; `None` without TLS. Returns a pipe that says `UP FAILED SECONDS`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        HERDS.append(child)
        return reader
    context = house.client_context(folder) if folder else None
    # The crowd's own work is none of the balancer's: it stands back, on a machine that does both.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(10)
    ready = 0
    sockets = {}
    mine = range(part, count, parts)
    while not os.path.exists(go):
        time.sleep(0.01)
    began = time.monotonic()
    poll = select.epoll()
    for number in mine:
        raw = socket.socket()
        raw.setblocking(False)
        raw.bind((f"127.0.{1 + number // 8000}.{1 + number % 200}", 0))
        raw.connect_ex(("127.0.0.1", port))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing) if context else Plain(incoming, outgoing)
        sockets[raw.fileno()] = [raw, tls, incoming, outgoing, number, "handshake"]
        poll.register(raw.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    failures = 0
    end = time.monotonic() + 240
    while ready + failures < len(mine) and time.monotonic() < end:
        for number, _ in poll.poll(1):
            entry = sockets[number]
            raw, tls, incoming, outgoing, name, phase = entry
            try:
                try:
                    while True:
                        data = raw.recv(65536)
                        if not data:
                            raise OSError("closed")
                        incoming.write(data)
                except BlockingIOError:
                    pass
                if entry[5] == "handshake":
                    try:
                        tls.do_handshake()
                        identity = f"storm-{name}".encode()
                        tls.write(b"\x10" + bytes([12 + len(identity)]) + b"\x00\x04MQTT\x04\x02\x00\x00"
                                  + bytes([0, len(identity)]) + identity)
                        entry[5] = "connack"
                    except ssl.SSLWantReadError:
                        pass
                if entry[5] == "connack":
                    try:
                        if tls.read(4) == b"\x20\x02\x00\x00":
                            entry[5] = "up"
                            ready += 1
                    except ssl.SSLWantReadError:
                        pass
                if outgoing.pending:
                    raw.send(outgoing.read())
            except OSError as error:
                if entry[5] not in ("up", "failed"):
                    if os.environ.get("STORM_DEBUG"):
                        print("failed:", repr(error), entry[5])
                    entry[5] = "failed"
                    failures += 1
                    poll.unregister(number)
    os.write(writer, f"{ready} {failures} {time.monotonic() - began:.3f}\n".encode())
    time.sleep(600)
    os._exit(0)
