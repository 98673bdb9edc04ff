"""How clients of conversations misbehave: each function makes a case, which is given a conversation that has not begun and a generator
of random numbers, and gives back the server's verdict."""

import struct

from conversation import ALERT, CCS, DATA, HANDSHAKE, Conversation, message, plain
from house import expect

UPDATE = message(24, b"\0")
# Extensions.
EARLY, TICKET, LIMIT, FRAGMENT, MASTER, RENEGOTIATION = 42, 35, 28, 1, 23, 0xFF01


def pieces(c, content, sizes, seal=True):
    """A message in records of these sizes; the last takes the rest."""
    out, make = b"", (lambda part: c.write.seal(part, HANDSHAKE)) if seal else (lambda part: plain(HANDSHAKE, part))
    for size in sizes:
        out += make(content[:size])
        content = content[size:]
    return out + (make(content) if content else b"")


def ready(c, **how):
    """A session as it should be."""
    c.start(**how)
    c.send(c.finish())
    return c


def before_finished(*make):
    """Records of a case before a Finished that is right."""
    def case(c, rng):
        c.start()
        records = b"".join(one(c) for one in make)
        return c.ask(records, c.finish())
    return case


def instead(make):
    """Records of a case in place of the Finished."""
    def case(c, rng):
        c.start()
        return c.ask(make(c, rng))
    return case


def cut_finished(*sizes):
    def case(c, rng):
        c.start()
        records = pieces(c, c.finished(), sizes)
        c.enter()
        return c.ask(records)
    return case


def finished_and(behind):
    """Behind the Finished, in the same record."""
    def case(c, rng):
        c.start()
        record = c.write.seal(c.finished() + behind, HANDSHAKE)
        c.enter()
        return c.ask(record)
    return case


def spoilt_finished(change):
    def make(c, rng):
        record = c.write.seal(change(bytearray(c.finished())), HANDSHAKE)
        c.enter()
        return record
    return instead(make)


def flipped(at):
    def change(written):
        written[at] ^= 1
        return bytes(written)
    return change


def at_once(count, size, updates=0):
    """The end of the handshake and data behind it, in one write."""
    def case(c, rng):
        c.start()
        records, wanted = c.finish(), b""
        for number in range(count):
            part = rng.randbytes(size)
            records += c.write.seal(part)
            wanted += part
            if updates and number % updates == 0:
                records += c.write.seal(UPDATE, HANDSHAKE)
                c.write.update()
        return c.ask(records, wanted=wanted)
    return case


def slowly(c, rng):
    """The end of the handshake and data, a byte in each segment."""
    c.start()
    for byte in c.finish() + c.write.seal(b"slow"):
        c.send(bytes([byte]))
    return c.ask(wanted=b"slow")


def hello_in(*sizes, before=b"", between=b"", behind=b""):
    def case(c, rng):
        written, records = c.hello() + behind, before
        for size in sizes:
            records += plain(HANDSHAKE, written[:size], 0x301) + between
            written = written[size:]
        c.send(records + (plain(HANDSHAKE, written, 0x301) if written else b""))
        c.answered()
        return c.ask(c.finish())
    return case


def resumed(c, port, **how):
    """A session and what another one is resumed by."""
    first = Conversation(port, c.version, c.suite)
    ready(first, **how)
    expect(first.ask() == "echo", "no session to resume")
    first.close()
    return first


def resuming(behind=0, spoil=False, stranger=False, **how):
    def case(c, rng):
        found = resumed(c, c.port).resumption()
        if stranger:
            found[0].ticket = bytearray(len(found[0].ticket))
        c.start(ticket=found, spoil=spoil, **how)
        expect(c.is_resumed == (not stranger), "resumed", c.is_resumed)
        part = rng.randbytes(behind)
        return c.ask(c.finish(), c.write.seal(part) if behind else b"", wanted=part)
    return case


def early(count, size, more=b""):
    """Early data, which is not wanted: passed over as far as it may be, and the handshake goes on."""
    def case(c, rng):
        found = resumed(c, c.port).resumption()
        hello = c.hello(ticket=found, more=[(EARLY, b"")], spoil=False)
        c.send(plain(HANDSHAKE, hello, 0x301), plain(CCS, b"\1"), *(plain(DATA, rng.randbytes(size)) for _ in range(count)), more)
        c.answered()
        return c.ask(c.finish())
    return case


def retried(ccs=0, **how):
    def case(c, rng):
        c.send(plain(HANDSHAKE, c.hello(shares=False), 0x301))
        written = c.retry(**how)
        c.send(plain(CCS, b"\1") * ccs, plain(HANDSHAKE, written))
        c.answered()
        return c.ask(c.finish())
    return case


def limited(kind, content, most=None, length=None, padding=0):
    """A limit of records is asked for; the server's records hold it when it is agreed. Ours are `length` bytes, or as long as may be."""
    def case(c, rng):
        ready(c, more=[(kind, content)])
        c.longest, part, size = 0, rng.randbytes(9000), length or most or 9000
        verdict = c.ask(*(c.write.seal(part[at:at + size], DATA, padding) for at in range(0, 9000, size)), wanted=part)
        expect(most is None or c.longest <= most, "a record of", c.longest, "bytes")
        return verdict
    return case


# 1.2, before our Finished.

def legacy(make):
    def case(c, rng):
        c.start()
        return c.ask(make(c, rng))
    return case


def exchange_in(*sizes, between=b""):
    def make(c, rng):
        written, records = c.key_exchange(), b""
        for size in sizes:
            records += plain(HANDSHAKE, written[:size]) + between
            written = written[size:]
        records += plain(HANDSHAKE, written) + plain(CCS, b"\1")
        c.enter()
        return records + c.write.seal(c.finished(), HANDSHAKE)
    return legacy(make)


def changed(*changes, spoil=None, seal=True, before=b"", behind=b"", sizes=()):
    """Change-of-cipher records, and a Finished."""
    def make(c, rng):
        records = plain(HANDSHAKE, c.key_exchange()) + before
        records += b"".join(plain(CCS, one) for one in changes)
        c.enter()
        written = c.finished()
        if spoil:
            written = spoil(bytearray(written))
        return records + (pieces(c, written + behind, sizes, seal) if seal else plain(HANDSHAKE, written))
    return legacy(make)


def resuming_legacy(by_ticket, behind=0, more=()):
    def case(c, rng):
        first = resumed(c, c.port, more=[(TICKET, b""), *more] if by_ticket else more, identifier=b"")
        if by_ticket:
            c.start(more=[(TICKET, first.tickets[0]), *more], ticket=first.resumption())
        else:
            c.start(more=more, identifier=bytes(first.heard.session_id), ticket=(None, first.master))
        expect(c.is_resumed, "not resumed")
        part = rng.randbytes(behind)
        return c.ask(c.finish(), c.write.seal(part) if behind else b"", wanted=part)
    return case


def renegotiating(count=1, sizes=(), behind=None):
    """A ClientHello with all it needs inside a session."""
    def case(c, rng):
        ready(c)
        records = b""
        for _ in range(count):
            records += pieces(c, c.hello(more=[(RENEGOTIATION, b"\0")]), sizes)
        return c.ask(records, *([c.write.seal(behind)] if behind else []), wanted=behind or b"")
    return case


# Behind the handshake.

def then(make):
    def case(c, rng):
        ready(c)
        made = make(c, rng)
        made, wanted = made if isinstance(made, tuple) else (made, b"")
        return c.ask(made, wanted=wanted)
    return case


def mixture(c, rng):
    """Records of any size, empty ones, padding, new keys, in segments of any size."""
    ready(c)
    stream, wanted = b"", b""
    for _ in range(rng.randrange(20, 40)):
        kind = rng.random()
        if kind < 0.15:
            stream += c.write.seal(b"")
        elif kind < 0.3 and c.version == "1.3":
            cut = rng.randrange(1, 6)
            stream += pieces(c, UPDATE, [cut])
            c.write.update()
        else:
            part = rng.randbytes(rng.choice([1, 2, 15, 16, 17, 100, 255, 256, 1000]))
            stream += c.write.seal(part, DATA, rng.choice([0, 0, 1, 255, 700]))
            wanted += part
    while stream:
        size = rng.choice([1, 4, 5, 6, 21, 22, 500, 4000])
        c.send(stream[:size])
        stream = stream[size:]
    return c.ask(wanted=wanted)


def said(*contents):
    return then(lambda c, rng: b"".join(c.write.seal(content, ALERT) for content in contents))


def after_close(make):
    """close_notify, and something behind it: nobody hears that any more."""
    return then(lambda c, rng: c.write.seal(b"\1\0", ALERT) + make(c, rng))


def outer(kind):
    return then(lambda c, rng: bytes([kind]) + c.write.seal(b"x")[1:])


def tagged(at):
    def make(c, rng):
        record = bytearray(c.write.seal(rng.randbytes(33)))
        record[at] ^= 1 << rng.randrange(8)
        return bytes(record)
    return then(make)


def declared(length, held):
    return then(lambda c, rng: struct.pack(">BHH", DATA, 0x303, length) + rng.randbytes(held))


def modern_updates():
    yield "new keys, but not used", then(lambda c, rng: c.write.seal(UPDATE, HANDSHAKE))
    yield "keys that were not announced", then(lambda c, rng: (c.write.update(), b"")[1])
    for body in (b"\0\0", b"\2", b"\x7f", b"", bytes(255), bytes(16380)):
        yield f"new keys with {len(body)} bytes, {body[:2].hex() or 'none'}", then(lambda c, rng, b=body: c.write.seal(message(24, b), HANDSHAKE))
    for declared in (2, 256, 0xFFFFFF):
        yield f"new keys that say they have {declared} bytes", then(
            lambda c, rng, d=declared: c.write.seal(bytes([24]) + d.to_bytes(3, "big") + b"\0", HANDSHAKE))
    for cut in (1, 2, 3, 4):
        yield f"new keys cut at {cut}", then(lambda c, rng, n=cut: (pieces(c, UPDATE, [n]), c.write.update())[0])
        yield f"data where {cut} bytes of new keys were", then(lambda c, rng, n=cut: c.write.seal(UPDATE[:n], HANDSHAKE) + c.write.seal(b"x"))
        yield f"nothing where {cut} bytes of new keys were", then(
            lambda c, rng, n=cut: (c.write.seal(UPDATE[:n], HANDSHAKE) + c.write.seal(b"", HANDSHAKE) + c.write.seal(UPDATE[n:], HANDSHAKE),
                                   c.write.update())[0])
        yield f"new keys and {cut} bytes of others", then(lambda c, rng, n=cut: c.write.seal(UPDATE + UPDATE[:n], HANDSHAKE))
    for kind in (0, 1, 2, 4, 5, 8, 11, 13, 15, 20, 25, 254, 255):
        yield f"a message of type {kind}", then(lambda c, rng, k=kind: c.write.seal(message(k, bytes(36)), HANDSHAKE))
        yield f"new keys behind a message of type {kind}", then(lambda c, rng, k=kind: c.write.seal(message(k) + UPDATE, HANDSHAKE))
