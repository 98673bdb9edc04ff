"""Conversations that break the rules from the ClientHello on, against both record layers: the verdicts must be the same.

In the manner of tlsfuzzer, by whose scripts the families are named: a case makes its messages itself (conversation.py), sends them as it
likes (conduct.py), and asks whether the server is still there. The cases of hostile.py are held here, too, with every suite. What either layer says
must be the same, but for the differences in a list, each with its reason.

usage: by records.py
"""

import random

import hostile
from conduct import (
    FRAGMENT, LIMIT, MASTER, UPDATE, after_close, at_once, before_finished, changed, cut_finished, declared, early, exchange_in, finished_and,
    flipped, hello_in, instead, legacy, limited, mixture, modern_updates, outer, ready, renegotiating, resuming, resuming_legacy, retried, said,
    slowly, spoilt_finished, tagged, then)
from conversation import ALERT, ALERTS, CCS, DATA, HANDSHAKE, SUITES, Conversation, Refused, TLSAbruptCloseError, message, plain
from house import expect

MODERN = {
    "finished: as it should be": cut_finished(),
    **{f"finished: in pieces {sizes}": cut_finished(*sizes) for sizes in ((1,), (4,), (35,), (1, 1, 1, 1), (10, 10), (1,) * 30)},
    "finished: an empty record before": before_finished(lambda c: c.write.seal(b"", HANDSHAKE)),
    "finished: padded": instead(lambda c, rng: (c.write.seal(c.finished(), HANDSHAKE, 500), c.enter())[0]),
    **{f"finished: and {len(behind)} bytes of new keys in its record": finished_and(behind) for behind in (UPDATE[:1], UPDATE[:4], UPDATE)},
    "finished: twice in a record": finished_and(message(20, bytes(32))),
    **{f"finished: wrong at {at}": spoilt_finished(flipped(at)) for at in (0, 1, 3, 4, 20, -1)},
    "finished: too short": spoilt_finished(lambda f: message(20, f[4:-1])),
    "finished: too long": spoilt_finished(lambda f: message(20, f[4:] + b"\0")),
    "finished: without content": spoilt_finished(lambda f: message(20)),
    "finished: in the clear": instead(lambda c, rng: (plain(HANDSHAKE, c.finished()), c.enter())[0]),
    "finished: with the keys of the data": instead(lambda c, rng: (lambda f: (c.enter(), c.write.seal(f, HANDSHAKE))[1])(c.finished())),
    "finished: none": instead(lambda c, rng: (c.finished(), c.enter(), b"")[2]),
    "finished: another message first": before_finished(lambda c: c.write.seal(message(11, bytes(4)), HANDSHAKE)),
    "finished: new keys first": before_finished(lambda c: c.write.seal(UPDATE, HANDSHAKE)),
    "connection: data before": before_finished(lambda c: c.write.seal(b"early")),
    "connection: no data before": before_finished(lambda c: c.write.seal(b"")),
    "connection: data in the clear before": before_finished(lambda c: plain(DATA, b"early")),
    **{f"alert: {ALERTS[which]} before, {'sealed' if seal else 'in the clear'}": before_finished(
        (lambda c, w=which: c.write.seal(bytes([1, w]), ALERT)) if seal else (lambda c, w=which: plain(ALERT, bytes([1, w]))))
       for which in (0, 90, 100) for seal in (True, False)},
    **{f"ccs: {count} before": before_finished(lambda c, n=count: plain(CCS, b"\1") * n) for count in (1, 2, 5, 31, 32, 33)},
    **{f"ccs: {content.hex() or 'empty'} before": before_finished(lambda c, b=content: plain(CCS, b)) for content in (b"", b"\0", b"\2", b"\1\1")},
    "ccs: sealed before": before_finished(lambda c: c.write.seal(b"\1", CCS)),
    "ccs: between the pieces": instead(lambda c, rng: (lambda f: (
        c.write.seal(f[:9], HANDSHAKE) + plain(CCS, b"\1") + c.write.seal(f[9:], HANDSHAKE), c.enter())[0])(c.finished())),
    "ccs: behind, in one segment": instead(lambda c, rng: c.finish() + plain(CCS, b"\1")),
    "ccs: first of all": hello_in(before=plain(CCS, b"\1")),
    "hello: in pieces": hello_in(1, 3, 50),
    "hello: with ccs between": hello_in(100, between=plain(CCS, b"\1")),
    "hello: with nothing between": hello_in(100, between=plain(HANDSHAKE)),
    "hello: with data between": hello_in(100, between=plain(DATA, b"x")),
    "hello: with an alert between": hello_in(100, between=plain(ALERT, b"\1\x5a")),
    "hello: and more in its record": hello_in(behind=message(20, bytes(32))),
    "early data: 1": early(1, 100), "early data: 30": early(30, 100), "early data: too much": early(9, 2000),
    "early data: without a type": early(1, 17), "early data: too long a record": early(1, 16657),
    "early data: and an empty record": early(1, 100, plain(DATA)), "early data: its end in the clear": early(1, 100, plain(HANDSHAKE, message(5))),
    "resumption: as it should be": resuming(), "resumption: with data behind": resuming(200), "resumption: without a share": resuming(modes=(0,), shares=False),
    "resumption: a wrong binder": resuming(spoil=True), "resumption: an unknown ticket": resuming(stranger=True),
    "hello retry: as it should be": retried(), "hello retry: with ccs": retried(1), "hello retry: with two ccs": retried(2),
    "hello retry: no share again": retried(shares=False), "hello retry: another session": retried(identifier=b"\x11" * 32),
    **{f"record size limit: {limit}": limited(LIMIT, limit.to_bytes(2, "big")) for limit in (0, 63, 64, 512, 16385)},
    **dict((f"keyupdate: {name}", case) for name, case in modern_updates()),
    "at once: data": at_once(1, 10), "at once: much": at_once(40, 300), "at once: full records": at_once(2, 16384),
    "at once: with new keys": at_once(10, 100, 1), "at once: empty": at_once(20, 0),
    **{f"padding: {count} of {size}": then(lambda c, rng, p=count, n=size: (lambda w: (c.write.seal(w, DATA, p), w))(rng.randbytes(n)))
       for count in (1, 255, 256, 4000) for size in (0, 1, 16, 4000)},
    "padding: too much": then(lambda c, rng: c.write.seal(bytes(100), DATA, 16384)),
    **{f"type inside: {kind}": then(lambda c, rng, k=kind: c.write.seal(b"xx", k)) for kind in (0, 1, 19, 20, 24, 25, 26, 64, 128, 255)},
    **{f"header: length {length}, {held} there": declared(length, held)
       for length, held in ((0, 0), (1, 1), (15, 15), (16, 16), (17, 17), (18, 18), (16640, 16640), (16641, 0), (65535, 0))},
}

LEGACY = {
    "finished: in pieces": changed(b"\1", sizes=(1, 5, 5)), "finished: in pieces of one": changed(b"\1", sizes=(1,) * 15),
    "finished: wrong": changed(b"\1", spoil=lambda f: flipped(-1)(f)), "finished: too short": changed(b"\1", spoil=lambda f: message(20, f[4:-1])),
    "finished: too long": changed(b"\1", spoil=lambda f: message(20, f[4:] + b"\0")), "finished: in the clear": changed(b"\1", seal=False),
    "finished: more in its record": changed(b"\1", behind=message(1, bytes(10))), "finished: the beginning of more in its record": changed(b"\1", behind=b"\1\0"),
    "ccs: none": changed(), "ccs: twice": changed(b"\1", b"\1"), "ccs: of two bytes": changed(b"\1\1"), "ccs: empty": changed(b""), "ccs: 2": changed(b"\2"),
    "ccs: before the key exchange": legacy(lambda c, rng: plain(CCS, b"\1") + c.finish()),
    "key exchange: in pieces": exchange_in(1, 3, 10), "key exchange: with ccs between": exchange_in(10, between=plain(CCS, b"\1")),
    "key exchange: with an alert between": exchange_in(10, between=plain(ALERT, b"\1\x5a")),
    "key exchange: with nothing between": exchange_in(10, between=plain(HANDSHAKE)),
    "connection: data in the clear before": legacy(lambda c, rng: plain(DATA, b"x") + c.finish()),
    "connection: data between": changed(b"\1", before=plain(DATA, b"x")),
    "connection: close_notify before": legacy(lambda c, rng: plain(ALERT, b"\1\0") + c.finish()),
    "connection: a warning before": legacy(lambda c, rng: plain(ALERT, b"\1\x5a") + c.finish()),
    "connection: extended master secret": lambda c, rng: ready(c, more=[(MASTER, b"")]).ask(),
    "hello: in pieces": hello_in(1, 3, 50), "hello: with ccs between": hello_in(100, between=plain(CCS, b"\1")), "hello: ccs first": hello_in(before=plain(CCS, b"\1")),
    "resumption: by ticket": resuming_legacy(True), "resumption: by ticket, data behind": resuming_legacy(True, 200),
    "resumption: by identifier": resuming_legacy(False, more=[(MASTER, b"")]), "resumption: by identifier, data behind": resuming_legacy(False, 200, [(MASTER, b"")]),
    "at once: data": at_once(1, 10), "at once: much": at_once(40, 300), "at once: full records": at_once(2, 16384), "at once: empty": at_once(20, 0),
    "renegotiation: asked for": renegotiating(), "renegotiation: with data behind": renegotiating(behind=b"data"), "renegotiation: 4 times": renegotiating(4),
    "renegotiation: 6 times": renegotiating(6), "renegotiation: in pieces": renegotiating(sizes=(50,)),
    **{f"message: of type {kind}": then(lambda c, rng, k=kind: c.write.seal(message(k, bytes(36)), HANDSHAKE)) for kind in (0, 2, 4, 11, 14, 16, 20, 24, 255)},
    **{f"header: length {length}, {held} there": declared(length, held)
       for length, held in ((0, 0), (15, 15), (16, 16), (23, 23), (24, 24), (25, 25), (18432, 18432), (18433, 0), (65535, 0))},
}

BOTH = {
    "segments: a byte in each": slowly,
    **{f"mixture: {number}": mixture for number in range(6)},
    **{f"max fragment length: {code}": limited(FRAGMENT, bytes([code]), 256 << code if code < 5 else None) for code in (1, 2, 3, 4)},
    **{f"max fragment length: {code}, and one byte more": limited(FRAGMENT, bytes([code]), 256 << code, (256 << code) + 1) for code in (1, 2, 3, 4)},
    **{f"max fragment length: {code}, padded beyond": limited(FRAGMENT, bytes([code]), 256 << code, 256 << code, 50) for code in (1, 4)},
    **{f"max fragment length: wrong, {content.hex() or 'empty'}": limited(FRAGMENT, content) for content in (b"", b"\0", b"\5", b"\1\1")},
    **{f"alert: {level} {which}": said(bytes([level, which])) for level in (0, 1, 2, 3, 255) for which in (0, 10, 20, 41, 60, 90, 100, 112, 255)},
    "alert: in two records": said(b"\1", b"\x5a"), "alert: two in a record": said(b"\1\x5a\1\x5a"),
    "alert: one and a half": said(b"\1\x5a\2"), "alert: 4 warnings, data, 4 warnings": then(lambda c, rng: (
        b"".join(c.write.seal(b"\1\x5a", ALERT) for _ in range(4)) + c.write.seal(b"x") + b"".join(c.write.seal(b"\1\x5a", ALERT) for _ in range(4)), b"x")),
    "close: data behind": after_close(lambda c, rng: c.write.seal(b"x")), "close: twice": after_close(lambda c, rng: c.write.seal(b"\1\0", ALERT)),
    "close: a forged record behind": after_close(lambda c, rng: plain(DATA, bytes(50))), "close: no record behind": after_close(lambda c, rng: b"GET / HTTP/1.1"),
    "close: data before, in one segment": then(lambda c, rng: (c.write.seal(b"last") + c.write.seal(b"\1\0", ALERT), b"last")),
    "close: much before, in one segment": then(lambda c, rng: (lambda w: (b"".join(
        c.write.seal(w[at:at + 333]) for at in range(0, len(w), 333)) + c.write.seal(b"\1\0", ALERT), w))(rng.randbytes(9000))),
    "zero length: 32, data, 32": then(lambda c, rng: (b"".join(c.write.seal(b"") for _ in range(32)) + c.write.seal(b"x")
                                                      + b"".join(c.write.seal(b"") for _ in range(32)), b"x")),
    **{f"length: {size}": then(lambda c, rng, n=size: (lambda w: (c.write.seal(w), w))(rng.randbytes(n))) for size in (1, 15, 16, 17, 255, 256, 1023, 16383, 16384)},
    **{f"length: {size}": then(lambda c, rng, n=size: c.write.seal(bytes(n))) for size in (16385, 16600, 18000)},
    **{f"type: {kind}": outer(kind) for kind in (0, 19, 20, 21, 22, 24, 25, 63, 128, 255)},
    **{f"version: {version:04x}": then(lambda c, rng, v=version: c.write.seal(b"x", version=v)) for version in (0, 0x200, 0x300, 0x301, 0x302, 0x304, 0x403, 0xFFFF)},
    **{f"tag: {at}": tagged(at) for at in range(-16, 0, 3)}, **{f"ciphertext: {at}": tagged(at) for at in (5, 12, 13, 14, 30)},
}

# Where the two differ: version and the beginning of a name, what each says (native, openssl; * is anything), and why ours is as it is.
# What hostile.py says of its own cases holds here, too.
FOREIGN = "refused before it is decrypted, as a wrong header (RFC 5246, 6.2.1)"
HELD = "OpenSSL holds bytes behind the Finished: the place of its reader is not exactly known, and the session is closed"
KNOWN = [
    ("1.3", "keyupdate: new keys with", "decode_error", "illegal_parameter", "the length of the message is wrong, not a value in it"),
    ("1.3", "keyupdate: new keys that say", "decode_error", "illegal_parameter", "the same"),
    ("1.3 1.2", "alert: in two records", "decode_error", "unexpected_message", hostile.LENGTH),
    ("1.3 1.2", "alert: two in a record", "decode_error", "unexpected_message", hostile.LENGTH),
    ("1.3 1.2", "alert: one and a half", "decode_error", "unexpected_message", hostile.LENGTH),
    ("1.3", "version: 03", "bad_record_mac", "decode_error", "the header is authenticated as it came (RFC 8446, 5.1)"),
    ("1.3", "version: ", "bad_record_mac", "protocol_version", "the same"),
    ("1.2", "version: ", "decode_error", "protocol_version", FOREIGN),
    ("1.2", "type: ", "unexpected_message", "bad_record_mac", FOREIGN),
    ("1.2", "header: length", "bad_record_mac", "internal_error", hostile.CLEAR),
    ("1.2", "header: length 18432", "bad_record_mac", "record_overflow", "as long as RFC 5246, 6.2.3 allows; no AEAD makes it good"),
    ("1.2", "finished: more in its record", "close_notify", "no_renegotiation echo", HELD),
    ("1.2", "finished: the beginning of more", "close_notify", "echo", HELD),
    ("1.2", "renegotiation: 4", "no_renegotiation echo", "*", "wishes that come at once are answered once"),
    ("1.2", "renegotiation: 6", "unexpected_message", "*", "at most four in a row: each is work without use"),
    ("1.2", "alert: 1 100", "echo", "handshake_failure", "no_renegotiation from who was asked nothing changes nothing"),
    ("1.2", "alert: 2 0", "close_notify", "closed", "the end is the end, whatever its level"),
    ("1.2", "alert: ", "illegal_parameter", "handshake_failure", "a level that is none comes first"),
]


def known(version, name, pair):
    """The entry of the list that a pair of verdicts is covered by."""
    old = hostile.KNOWN.get((version, name.removeprefix("hostile: "))) if name.startswith("hostile: ") else None
    if old and old[0] in ("*", pair[0]) and old[1] == pair[1]:
        return (version, name, *old[:2])
    for versions, begin, native, openssl, _ in KNOWN:
        if version in versions.split() and name.startswith(begin) and native in ("*", pair[0]) and openssl in ("*", pair[1]):
            return (versions, begin, native, openssl)
    return None


def judge(port, version, suite, case, seed):
    c = Conversation(port, version, suite)
    c.port, c.suite = port, suite
    try:
        return case(c, random.Random(seed))
    except Refused as refusal:
        return str(refusal)
    except (TLSAbruptCloseError, ConnectionResetError, BrokenPipeError):
        return "closed"
    finally:
        c.close()


def compare(ports, everything=False):
    """Each case with one of its version's suites, in turn; or with all of them. How many sessions could not be taken over."""
    count, held, differing, seen = 0, 0, [], set()
    for version, own, others in (("1.3", MODERN, hostile.MODERN), ("1.2", LEGACY, hostile.LEGACY)):
        old = {f"hostile: {name}": then_old(case) for name, case in {**hostile.BOTH, **others}.items()}
        for number, (name, case) in enumerate({**own, **BOTH, **old}.items()):
            suites = SUITES[version]
            for suite in suites if everything else [suites[number % 3]]:
                pair = tuple(judge(ports[layer], version, suite, case, f"{suite} {name}") for layer in ("native", "openssl"))
                count += 1
                found = known(version, name, pair)
                if found:
                    seen.add(found)
                    held += any(entry[:4] == found and entry[4] is HELD for entry in KNOWN)
                if pair[0] != pair[1] and not found:
                    differing.append(f"{version} {name} ({suite}): native {pair[0]}, openssl {pair[1]}")
                print(f"ok conversation {version} {name}: {pair[0]}" + ("" if pair[0] == pair[1] else f" (openssl: {pair[1]})"))
    unseen = [entry[:2] for entry in KNOWN if entry[:4] not in seen]
    expect(not differing, "the layers differ:\n  " + "\n  ".join(differing))
    expect(not unseen, "differences that are none any more:", unseen)
    print(f"ok conversations: {count}, {len(KNOWN)} kinds of differences")
    return held


def then_old(case):
    """A case of hostile.py behind a handshake of tlslite's."""
    return lambda c, rng: case(ready(c), rng)
