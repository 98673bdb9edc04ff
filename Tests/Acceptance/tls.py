"""The TLS of a listener as others see it: openssl s_client over versions, suites, names, certificates and resumption, and
sslscan over the default configuration.

usage: tls.py
"""

import re
import shutil
import ssl
import subprocess
import sys

import house
from house import expect, run

CONFIGURATION = """
listen default  { bind *:8883; use broker; tls { certificate @/combined.pem } }
listen separate { bind *:8884; use broker; tls { certificate @/server.pem; key @/server.key } }
listen mutual   { bind *:8885; use broker; tls { certificate @/combined.pem; client-ca @/ca.pem } }
listen names    { bind *:8886; use broker; tls { certificate @/combined.pem default; certificate @/other/combined.pem } }
listen old      { bind *:8887; use broker; tls { certificate @/combined.pem; maximum-version 1.2; tickets off } }
listen narrow   { bind *:8888; use broker; tls { certificate @/combined.pem; suites TLS_CHACHA20_POLY1305_SHA256
                                                 ciphers ECDHE-ECDSA-AES256-GCM-SHA384; groups P-384 } }
backend broker { server one 10.77.0.1:1883; check tcp every 500ms }
loops 2
"""


def s_client(port, *flags, say="Q\n"):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, flags)], input=say, capture_output=True, text=True,
        timeout=house.PATIENCE)
    return done.stdout + done.stderr


def is_agreed(text):
    return "Cipher is (NONE)" not in text and "Cipher    : 0000" not in text and "CONNECTED" in text


def matrix(tls):
    for port, flags, agreed, words in [
        # Versions of the default: 1.2 and 1.3, nothing older even for those who lower their own bar.
        (8883, ["-tls1_3"], True, "TLSv1.3"), (8883, ["-tls1_2"], True, "TLSv1.2"),
        (8883, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False, ""), (8883, ["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False, ""),
        # Suites and ciphers of the default, each by itself.
        (8883, ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], True, "TLS_AES_128_GCM_SHA256"),
        (8883, ["-ciphersuites", "TLS_AES_256_GCM_SHA384"], True, "TLS_AES_256_GCM_SHA384"),
        (8883, ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], True, "TLS_CHACHA20_POLY1305_SHA256"),
        (8883, ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], True, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (8883, ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], True, "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (8883, ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"], False, ""),
        (8883, ["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"], False, ""),
        # Separate files.
        (8884, ["-CAfile", tls / "ca.pem", "-verify_return_error"], True, "Verify return code: 0 (ok)"),
        # Names: each its own certificate, the default for others and for nobody's.
        (8886, ["-servername", "other.example.com"], True, "CN = other.example.com"),
        (8886, ["-servername", "mqtt.example.com"], True, "CN = mqtt.example.com"),
        (8886, ["-servername", "unknown.example.com"], True, "CN = mqtt.example.com"),
        (8886, ["-noservername"], True, "CN = mqtt.example.com"),
        # ALPN: mqtt for who asks for it.
        (8883, ["-alpn", "mqtt"], True, "ALPN protocol: mqtt"),
        # What is narrowed is narrow.
        (8887, ["-tls1_3"], False, ""), (8887, ["-tls1_2"], True, "TLSv1.2"),
        (8888, [], True, "TLS_CHACHA20_POLY1305_SHA256"), (8888, ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], False, ""),
        (8888, ["-tls1_2"], True, "ECDHE-ECDSA-AES256-GCM-SHA384"), (8888, ["-groups", "X25519"], False, ""),
    ]:
        text = s_client(port, *flags)
        expect(is_agreed(text) == agreed and words in text, port, flags, "gave", text[:1500])
        print(f"ok {port} {' '.join(map(str, flags))}: {'agreed' if agreed else 'refused'}")


def client_certificates(tls):
    """Who shows a good certificate gets a CONNACK, who shows none or a stranger's gets an alert."""
    for name, most in [("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)]:
        for what, folder in [("good", tls), ("none", None), ("of a stranger", tls / "other")]:
            context = house.client_context(tls)
            context.maximum_version = most
            if folder:
                context.load_cert_chain(str(folder / "client.pem"), str(folder / "client.key"))
            try:
                expect(house.Client(8885, "meter", tls=context).code == 0, "refused by MQTT")
                outcome = "good"
            except ssl.SSLError as error:
                expect("alert" in str(error).lower(), "ended without an alert:", error)
                outcome = "alert"
            expect((outcome == "good") == (what == "good"), name, what, "ended with", outcome)
            print(f"ok client certificate {name} {what}: {outcome}")


def resumption(tls):
    for version, port in [("-tls1_2", 8883), ("-tls1_3", 8883), ("-tls1_2", 8887)]:
        file = house.SCRATCH / "session.pem"
        file.unlink(missing_ok=True)
        # 1.3 sends its tickets behind the handshake: a CONNECT keeps the session open until they are here.
        script = (
            "import os, ssl, socket, sys\n"
            "c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE\n"
            f"c.maximum_version = ssl.TLSVersion.{'TLSv1_2' if version == '-tls1_2' else 'TLSv1_3'}\n"
            "def go(session, broken=False):\n"
            f"    s = c.wrap_socket(socket.create_connection(('127.0.0.1', {port})), session=session)\n"
            "    s.sendall(b'\\x10\\x0e\\x00\\x04MQTT\\x04\\x02\\x00\\x3c\\x00\\x02me'); s.recv(4)\n"
            "    if broken:\n"
            "        os.write(s.fileno(), b'\\x17\\x03\\x03\\x00\\x20' + bytes(32))\n"
            "        try: s.recv(1)\n"
            "        except ssl.SSLError: pass\n"
            "    return s.session, s.session_reused\n"
            "first, was = go(None); assert not was\n"
            "for _ in range(8):\n"
            "    first, was = go(first); assert was, 'not resumed'\n")
        if port == 8887:
            # A fatal alert ends it for good (RFC 5246, 7.2.2).
            script += "_, was = go(first, True); assert was\n_, was = go(first); assert not was, 'resumed after a fatal alert'\n"
        run(sys.executable, "-c", script)
        print(f"ok resumed {version} {'by ticket' if port == 8883 else 'from the cache'}, eight times over two loops")


def scan():
    text = run("sslscan", "--no-colour", "127.0.0.1:8883")
    lines = [line.strip() for line in text.splitlines()]
    for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        expect(any(re.match(rf"{re.escape(version)} +disabled", line) for line in lines), version, "is not disabled:", text)
    for version in ("TLSv1.2", "TLSv1.3"):
        expect(any(re.match(rf"{re.escape(version)} +enabled", line) for line in lines), version, "is not enabled:", text)
    expect("Compression: NONE" in s_client(8883), "compression")
    expect(not re.search(r"(?<!not )vulnerable to heartbleed", text), text)
    accepted = [line.split() for line in lines if line.startswith(("Accepted", "Preferred"))]
    expect(accepted, "no cipher was accepted:", text)
    for words in accepted:
        bits, name = int(words[2]), words[4]
        weak = re.search(r"RC4|DES|MD5|NULL|EXP|anon|ADH|AECDH|CBC|(?<!M)-SHA$", name)
        expect(bits >= 128 and not weak, "weak:", words)
    groups = [line for line in lines if re.match(r"TLSv1\.[23] +\d+ bits", line)]
    expect(groups and all(int(re.search(r"(\d+) bits", line).group(1)) >= 112 for line in groups), "groups:", groups)
    expect("sha1" not in " ".join(line.lower() for line in lines if "Signature Algorithm" in line), text)
    print(f"ok sslscan: {len(accepted)} ciphers, none weak")


def body():
    house.build_hosts({"broker": ["10.77.0.1"]})
    tls = house.certificates(house.SCRATCH / "tls")
    house.certificates(tls / "other", host="other.example.com")
    house.mosquitto("broker", "10.77.0.1")
    balancer = house.Balancer(CONFIGURATION.replace("@", str(tls)))
    house.wait_for(lambda: all(s["status"] == "up" for s in balancer.servers().values()), "the broker")
    matrix(tls)
    client_certificates(tls)
    resumption(tls)
    expect(shutil.which("sslscan"), "there is no sslscan")
    scan()
    balancer.stop()


house.main(body)
