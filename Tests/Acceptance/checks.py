"""Health checks of real servers behind TLS and WebSockets: mosquitto, nginx, openssl s_server.

usage: checks.py
"""

import house
from house import expect, run, start, wait_for

# Listener names are for the eye only: what counts is what status says of each server.
CONFIGURATION = """
listen all { bind *:1883; use mqtt-tls }
backend mqtt-tls     { server s 10.77.0.1:8883; tls { ca @/ca.pem; server-name mqtt.example.com }; check mqtt EVERY }
backend mqtt-address { server s 10.77.0.1:8883; tls { ca @/ca.pem }; check mqtt EVERY }
backend wrong-name   { server s 10.77.0.1:8883; tls { ca @/ca.pem; server-name other.example.com }; check mqtt EVERY }
backend wrong-ca     { server s 10.77.0.1:8883; tls { ca @/other/ca.pem; server-name mqtt.example.com }; check tls EVERY }
backend not-tls      { server s 10.77.0.1:1883; tls { ca @/ca.pem; server-name mqtt.example.com }; check tls EVERY }
backend ws           { server s 10.77.0.1:8083 websocket /mqtt; check mqtt EVERY }
backend wss          { server s 10.77.0.1:8084 websocket /mqtt; tls { ca @/ca.pem; server-name mqtt.example.com }
                       check mqtt version 5 EVERY }
backend ws-not-there { server s 10.77.0.1:8082 websocket /mqtt; check mqtt EVERY }
backend mutual       { server s 10.77.0.1:8885; check mqtt EVERY
                       tls { ca @/ca.pem; server-name mqtt.example.com; certificate @/client.pem; key @/client.key } }
backend no-identity  { server s 10.77.0.1:8885; tls { ca @/ca.pem; server-name mqtt.example.com }; check mqtt EVERY }
backend s-server     { server s 10.77.0.1:4433; tls { ca @/ca.pem; server-name mqtt.example.com }; check tls EVERY }
backend s-old        { server s 10.77.0.1:4434; tls { ca @/ca.pem; server-name mqtt.example.com }; check tls EVERY }
backend https        { server s 10.77.0.1:8443; tls { ca @/ca.pem; server-name mqtt.example.com }
                       check http path /status expect 200 drain 503 EVERY }
backend https-down   { server s 10.77.0.1:8443; tls { ca @/ca.pem; server-name mqtt.example.com }
                       check http path /missing EVERY }
backend elsewhere    { server s 10.77.0.1:8883; tls { ca @/ca.pem; server-name mqtt.example.com }
                       check http path /status port 8443 tls EVERY }
backend in-the-clear { server s 10.77.0.1:8883; tls { ca @/ca.pem; server-name mqtt.example.com }
                       check http path /status port 8082 EVERY }
"""

EXPECTED = {
    "mqtt-tls": ("up", ""), "mqtt-address": ("down", "IP address mismatch"), "wrong-name": ("down", "hostname mismatch"),
    "wrong-ca": ("down", "no TLS: untrusted: "), "not-tls": ("down", "no TLS: "),
    "ws": ("up", ""), "wss": ("up", ""), "ws-not-there": ("down", "no WebSocket: answered with HTTP status 404"),
    "mutual": ("up", ""), "no-identity": ("down", ""),
    "s-server": ("up", ""), "s-old": ("down", "no TLS: "),
    "https": ("up", ""), "https-down": ("down", "answered with HTTP status 404"), "elsewhere": ("up", ""),
    "in-the-clear": ("up", ""),
}


def brokers(tls):
    """mosquitto with every kind of listener; its log tells what it thinks of the checks."""
    secured = f"certfile {tls}/server.pem\nkeyfile {tls}/server.key\ncafile {tls}/ca.pem\n"
    text = "per_listener_settings true\n"
    for port, more in [
        (1883, ""), (8883, secured), (8083, "protocol websockets\n"), (8084, "protocol websockets\n" + secured),
        (8885, secured + "require_certificate true\n"),
    ]:
        text += f"listener {port} 10.77.0.1\nallow_anonymous true\n{more}"
    text += "persistence false\nlog_type all\nconnection_messages true\nuser root\n"
    file = house.SCRATCH / "broker.mosquitto"
    file.write_text(text)
    start("broker", ["mosquitto", "-c", file], host="broker")


def web(tls):
    file = house.SCRATCH / "nginx.conf"
    place = "location = /status { return 200 'running'; } location / { return 404; }"
    file.write_text(
        f"daemon off; user root; error_log {house.SCRATCH}/nginx-error.log; pid {house.SCRATCH}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {house.SCRATCH}/body; proxy_temp_path {house.SCRATCH}/proxy;\n"
        f"fastcgi_temp_path {house.SCRATCH}/f; uwsgi_temp_path {house.SCRATCH}/u; scgi_temp_path {house.SCRATCH}/s;\n"
        f"server {{ listen 10.77.0.1:8082; {place} }}\n"
        f"server {{ listen 10.77.0.1:8443 ssl; ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key; {place} }} }}\n")
    start("nginx", ["nginx", "-c", file, "-p", house.SCRATCH], host="broker")


def body():
    house.build_hosts({"broker": ["10.77.0.1"]})
    tls = house.certificates(house.SCRATCH / "tls")
    house.certificates(tls / "other")
    brokers(tls)
    web(tls)
    certificate = ["-cert", tls / "server.pem", "-key", tls / "server.key", "-quiet"]
    start("s-server", ["openssl", "s_server", "-accept", "10.77.0.1:4433", *certificate], host="broker")
    start("s-old", ["openssl", "s_server", "-accept", "10.77.0.1:4434", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", *certificate],
          host="broker")
    for port in (1883, 8883, 8083, 8084, 8885, 8082, 8443, 4433, 4434):
        wait_for(lambda: house.is_open("10.77.0.1", port), f"port {port}")
    every = "every 300ms timeout 5s rise 1 fall 1"
    balancer = house.Balancer(CONFIGURATION.replace("EVERY", every).replace("@", str(tls)))
    for backend, (status, words) in EXPECTED.items():
        def done():
            server = balancer.servers().get((backend, "s")) or {}
            return server.get("status") == status and words in str(server.get("last_check"))
        wait_for(done, lambda: f"{backend} {status} {words}: {balancer.servers().get((backend, 's'))}", 30)
        server = balancer.servers()[(backend, "s")]
        print(f"ok {backend} {server['status']}: {server['last_check']}")
    # Quiet: what mosquitto says of checks that passed is that they came and went.
    log = house.log_of("broker")
    expect("understudy-check" in log, "mosquitto saw no check")
    expect("closed its connection" not in log.replace("Client <unknown> closed", ""), "checks left without goodbye:", log[-3000:])
    balancer.stop()


house.main(body)
