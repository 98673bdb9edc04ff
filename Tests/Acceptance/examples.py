"""Every file of conf/examples with real servers: it starts, and does what the document it comes from says.

The addresses and names of the documents are those of another network, so the files run as they are; only the paths of
certificates lead into the scratch directory.

usage: examples.py mosquitto [NAME…]     against mosquitto
       examples.py rabbitmq [NAME…]      those whose servers expect PROXY headers, against RabbitMQ; nginx is the dashboard
"""

import collections
import json
import os
import re
import socket
import sys
import time
import urllib.request

import house
from house import Balancer, Client, Failure, expect, run, wait_for

NAMES = {f"emqx{n}-cluster.emqx.io": f"10.77.0.{n}" for n in (1, 2, 3)}
OTHERS = ["192.168.0.2", "192.168.0.3", "10.0.0.113", "172.16.239.108", "172.16.239.109"]
SOURCES = [f"10.211.55.{n}" for n in (5, 20, 21, 22, 23)]
BROKERS = {}


def broker_of(address):
    return "broker-" + address.replace(".", "-")


def came(prefix):
    """Who of `prefix` connected to which broker, in order: (broker's address, client ID, source address)."""
    found = []
    for address in BROKERS:
        for line in house.log_of(broker_of(address)).splitlines():
            match = re.search(r"New client connected from (?:::ffff:)?(\S+?):\d+ as (\S+)", line)
            if match and match.group(2).startswith(prefix):
                found.append((address, match.group(2), match.group(1)))
    return found


def loads(prefix):
    """How many of `prefix` each broker got, the most first."""
    return sorted(collections.Counter(address for address, _, _ in came(prefix)).values(), reverse=True)


class Example:
    def __init__(self, name):
        self.name = name
        self.held = []
        self.folder = house.SCRATCH / name
        text = (house.ROOT / "conf/examples" / f"{name}.conf").read_text()
        self.tls = house.SCRATCH / "tls"
        self.folder.mkdir()
        for path in set(re.findall(r"^[^#\n]*\s(/\S+\.(?:pem|key|crt))", text, re.M)):
            short = self.folder / path.strip("/").replace("/", "-")
            text = text.replace(path, str(short))
            # emqx.pem is certificate and key in HAProxy's files, the certificate alone beside an emqx.key in NGINX's.
            if path.endswith(("ca.crt", "ca.pem")):
                source = "ca.pem"
            elif path.endswith("pair.key"):
                run(house.BINARY, "keygen", short)
                continue
            elif path.endswith(".key") or path.endswith("key.pem"):
                source = "server.key"
            elif path.endswith("cert.pem") or re.search(re.escape(path[:-4]) + r"\.key", text):
                source = "server.pem"
            else:
                source = "combined.pem"
            short.write_bytes((self.tls / source).read_bytes())
            os.chmod(short, 0o600)
        # Both files of NGINX are replaced in turn, so its .pem may have got its key already: the key is what counts.
        if (self.folder / "usr-local-nginx-certs-emqx.key").exists():
            (self.folder / "usr-local-nginx-certs-emqx.pem").write_bytes((self.tls / "server.pem").read_bytes())
        if (self.folder / "etc-NGINX-certs-emqx.key").exists():
            (self.folder / "etc-NGINX-certs-emqx.pem").write_bytes((self.tls / "server.pem").read_bytes())
        self.balancer = Balancer(text, node="lb1" if name == "haproxy-keepalived" else None)
        self.port = int(re.search(r"bind \*:(\d+)", text).group(1))
        self.context = house.client_context(self.tls) if re.search(r"^[^#\n]*\btls ", text, re.M) else None
        wait_for(
            lambda: not any(s["status"] == "unchecked" for s in self.balancer.servers().values()),
            lambda: f"not settled: {self.balancer.servers()}")

    def client(self, name, port=None, **more):
        if self.context and "tls" not in more and port is None:
            more["tls"] = self.context
        client = Client(port or self.port, f"{self.name}-{name}", **more)
        # A client that nobody holds is closed by Python.
        self.held.append(client)
        return client

    def clients(self, count, prefix, **more):
        clients = [self.client(f"{prefix}-{number}", **more) for number in range(count)]
        wait_for(lambda: len(came(f"{self.name}-{prefix}-")) == count, lambda: f"{loads(self.name)} of {count}")
        return clients

    def spreads(self, count, expected, prefix="device"):
        clients = self.clients(count, prefix)
        got = loads(f"{self.name}-{prefix}-")
        expect(got == expected, self.name, count, "clients are", got, "and not", expected)
        return clients


def by_source(example):
    """One address has one server, always; several addresses have several."""
    places = {}
    for number in range(1, 13):
        source = f"127.0.0.{number}"
        for turn in range(3):
            name = f"from-{number}-{turn}"
            client = example.client(name, source=source)
            client.ping()
            client.close()
    wait_for(lambda: len(came(f"{example.name}-from-")) == 36, "36 clients")
    for address, client, _ in came(f"{example.name}-from-"):
        places.setdefault(client.rsplit("-", 1)[0], set()).add(address)
    expect(all(len(place) == 1 for place in places.values()), "an address came to several servers:", places)
    expect(len(set.union(*places.values())) > 1, "all addresses came to one server")


def ten(example):
    example.spreads(10, [4, 3, 3])


def production_haproxy(example):
    by_source(example)


def production_nginx(example):
    by_source(example)


def nginx_tls(example):
    example.spreads(10, [5, 5])


def nginx_tuning(example):
    ten(example)
    # Event loops are threads of the balancer: one for each processor.
    threads = [open(f"/proc/{example.balancer.pid()}/task/{task}/comm").read().strip()
               for task in os.listdir(f"/proc/{example.balancer.pid()}/task")]
    expect(len(threads) >= len(os.sched_getaffinity(0)), "threads:", threads)


def nginx_weighted(example):
    example.spreads(60, [30, 20, 10])


def haproxy_weighted(example):
    example.spreads(100, [50, 30, 20])
    by_broker = collections.Counter(address for address, _, _ in came(f"{example.name}-device-"))
    expect(by_broker == {"10.77.0.1": 50, "10.77.0.2": 20, "10.77.0.3": 30}, by_broker)
    # A weight is changed while it runs: nobody new comes there.
    example.balancer.tell("weight", "emqx1", "0")
    wait_for(lambda: example.balancer.servers()[("backend_servers", "emqx1")]["weight"] == 0, "weight 0")
    example.clients(20, "later")
    expect(not [1 for address, _, _ in came(f"{example.name}-later-") if address == "10.77.0.1"], "somebody came")


def sticky(example):
    """Everybody comes back to the same server, and finds the session there."""
    names = [f"meter-{number}" for number in range(30)]
    for turn in range(4):
        for name in names:
            client = example.client(name, clean=False)
            expect(client.session_present == (turn > 0), name, "in turn", turn, "has", client.session_present)
            client.close()
    expect(len(loads(f"{example.name}-meter-")) > 1, "all went to one server")
    for turn in range(100):
        client = example.client("restless", clean=False)
        expect(client.session_present == (turn > 0), "after", turn, "reconnects its session is", client.session_present)
        client.close()


def haproxy_mqtt(example):
    sticky(example)
    # What is no CONNECT is refused, and called by its name.
    with socket.create_connection(("127.0.0.1", 1883), timeout=house.PATIENCE) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(stranger.recv(100) == b"", "HTTP was answered")
    wait_for(lambda: "http-request" in example.balancer.ask("status"), "http-request in status")


def nginx_client_id(example):
    """The broker sees the serial number of the certificate, and nobody comes without a certificate."""
    client = example.client("own-name", tls=house.client_context(example.tls, certificate=True))
    client.ping()
    wait_for(lambda: came("1a2b3c4d5e") or came("1A2B3C4D5E"), lambda: f"no such client: {house.log_of(broker_of('10.0.0.113'))[-500:]}")
    expect(not came(f"{example.name}-own-name"), "the broker has seen the device's own client ID")
    try:
        example.client("nobody")
    except (Failure, OSError):
        return
    raise Failure("a client without certificate was let in")


def nginx_many_connections(example):
    """Connections come from all five addresses."""
    example.clients(200, "many")
    seen = collections.Counter(source for _, _, source in came(f"{example.name}-many-"))
    expect(set(seen) == set(SOURCES), "sources:", seen)
    expect(min(seen.values()) >= 15, "20% of 200 are", seen)


def websocket(example, path="/mqtt", host="mqtt.example.com", name="browser"):
    import paho.mqtt.client as paho
    import queue
    connected, heard = queue.Queue(), queue.Queue()
    client = paho.Client(f"{example.name}-{name}", transport="websockets")
    client.ws_set_options(path=path, headers={"Host": host})
    client.reconnect_delay_set(600, 600)
    if example.context:
        client.tls_set_context(example.context)
    client.on_connect = lambda c, u, flags, code: (c.subscribe("x", 1), connected.put(code))
    client.on_subscribe = lambda c, u, *rest: c.publish("x", "hello", 1)
    client.on_message = lambda c, u, message: heard.put(message.payload)
    client.connect("127.0.0.1", example.port)
    client.loop_start()
    expect(connected.get(timeout=house.PATIENCE) == 0, "CONNECT over WebSocket is refused")
    expect(heard.get(timeout=house.PATIENCE) == b"hello", "no message over WebSocket")
    return client


def nginx_websocket(example):
    clients = [websocket(example, name=f"browser-{number}") for number in range(4)]
    wait_for(lambda: loads(f"{example.name}-browser") == [2, 2], lambda: loads(f"{example.name}-browser"))
    for path, host in [("/other", "mqtt.example.com"), ("/mqtt", "other.example.com")]:
        try:
            websocket(example, path, host, name="stranger")
        except Exception as error:
            expect("handshake" in str(error).lower(), "refused otherwise:", repr(error))
            continue
        raise Failure(f"{path} at {host} was let in")
    for client in clients:
        client.disconnect()


def opaque_websocket(example):
    clients = [websocket(example, name=f"browser-{number}") for number in range(3)]
    wait_for(lambda: loads(f"{example.name}-browser") == [1, 1, 1], lambda: loads(f"{example.name}-browser"))
    for client in clients:
        client.disconnect()


def haproxy_basic(example):
    """Session records go to syslog at 127.0.0.1:514 with facility local3, in tcplog's form."""
    client = example.client("logged")
    client.close()
    lines = []
    def seen():
        try:
            lines.append(SYSLOG.recv(9000).decode(errors="replace"))
        except OSError:
            return False
        return [line for line in lines if f"client_id={example.name}-logged" in line]
    line = wait_for(seen, lambda: f"no record in {lines}")[0]
    # local3 is 19, info 6: 19 × 8 + 6.
    expect(line.startswith("<158>"), "facility and level are", line[:10])
    expect(re.search(r" mqtt mqtt_backend/emqx[123] \d+/\d+/\d+ \d+ \S\S \d+/\d+/\d+/\d+/\d+ 0/0 ", line), "no tcplog:", line)
    ten(example)


def haproxy_keepalived(example):
    """The address comes, and serves."""
    wait_for(
        lambda: "10.0.0.10/24" in run("ip", "address", "show", "dev", "eth0"), "the virtual address on eth0")
    expect(example.client("through-the-address", host="10.0.0.10").code == 0, "refused")
    sticky(example)


PLAIN = {
    "production-haproxy": production_haproxy, "production-nginx": production_nginx,
    "nginx-round-robin": ten, "nginx-weighted": nginx_weighted, "nginx-ip-hash": by_source,
    "nginx-least-connections": ten, "nginx-sticky": sticky, "nginx-client-id": nginx_client_id,
    "nginx-tuning": nginx_tuning, "nginx-many-connections": nginx_many_connections,
    "nginx-websocket": nginx_websocket, "nginx-websocket-tls": nginx_websocket,
    "haproxy-basic": haproxy_basic, "haproxy-mqtt": haproxy_mqtt, "haproxy-sticky": sticky,
    "haproxy-round-robin": ten, "haproxy-weighted": haproxy_weighted, "haproxy-source": by_source,
    "haproxy-least-connections": ten, "haproxy-websocket": opaque_websocket,
    "haproxy-websocket-tls": opaque_websocket, "haproxy-keepalived": haproxy_keepalived,
}


# With PROXY headers: RabbitMQ, which shows the address it was told.

RABBIT = house.pathlib.Path("/usr/lib/rabbitmq/bin")


def rabbit_environment():
    home = house.SCRATCH / "rabbit"
    return dict(
        os.environ, HOME=str(home), RABBITMQ_NODENAME="rabbit@localhost", RABBITMQ_CONFIG_FILE=str(home / "rabbit.conf"),
        RABBITMQ_ENABLED_PLUGINS_FILE=str(home / "plugins"), RABBITMQ_MNESIA_BASE=str(home / "data"),
        RABBITMQ_LOG_BASE=str(home / "log"), RABBITMQ_PID_FILE=str(home / "pid"), LC_ALL="C.UTF-8")


def start_rabbit():
    home = house.SCRATCH / "rabbit"
    home.mkdir()
    (home / "rabbit.conf").write_text(
        "listeners.tcp = none\nmqtt.listeners.tcp.1 = 0.0.0.0:1883\nmqtt.proxy_protocol = true\n"
        "mqtt.allow_anonymous = true\nloopback_users = none\nlog.console = true\nlog.console.level = info\n")
    (home / "plugins").write_text("[rabbitmq_mqtt].\n")
    (home / ".erlang.cookie").write_text("acceptance")
    os.chmod(home / ".erlang.cookie", 0o400)
    house.start("rabbit", [RABBIT / "rabbitmq-server"], "servers", env=rabbit_environment())


def connections():
    """What RabbitMQ says of who is connected, by its own command: `ADDRESS:PORT -> …` of each."""
    text = run(
        *house.inside("servers"), RABBIT / "rabbitmqctl", "--quiet", "--formatter", "json", "list_mqtt_connections",
        "client_id", "conn_name", env=rabbit_environment())
    return [c["conn_name"] for c in json.loads(text[text.index("["):])]


def is_shown(client):
    address, port = client.own[:2]
    return any(name.startswith(f"{address}:{port} ") for name in connections())


def real_addresses(example, port=None, count=6):
    """Each client's own address and port is what RabbitMQ shows."""
    clients = [example.client(f"real-{n}", port=port, source=f"127.0.0.{10 + n}") for n in range(count)]
    def shown():
        found = {name.split(" ")[0] for name in connections()}
        return {f"{client.own[0]}:{client.own[1]}" for client in clients} <= found
    wait_for(shown, lambda: f"{[c.own for c in clients]} in {connections()}")
    return clients


def placed(example):
    return collections.Counter(c["server"] for c in example.balancer.clients())


def rabbit_nginx_mqtt(example):
    real_addresses(example)
    # The second is out of service, the third for emergencies.
    expect(placed(example) == {"emqx1": 6}, "placed:", placed(example))
    example.balancer.tell("disable", "emqx1")
    wait_for(lambda: example.balancer.servers()[("mqtt_servers", "emqx1")]["status"] == "maintenance", "maintenance")
    real_addresses(example, count=2)
    expect(placed(example)["emqx3"] == 2, "placed:", placed(example))


def rabbit_even(example):
    real_addresses(example)
    expect(max(placed(example).values()) - min(placed(example).values()) <= 1, "placed:", placed(example))
    unhealthy = [s for s in example.balancer.servers().values() if s["status"] != "up"]
    expect(not unhealthy, "checks with a PROXY header fail:", unhealthy)


def rabbit_blog(example):
    example.context, context = None, house.client_context(example.tls)
    rabbit_even(example)
    client = example.client("encrypted", port=8883, tls=context, source="127.0.0.30")
    wait_for(lambda: is_shown(client), lambda: f"{client.own} in {connections()}")
    # The dashboard through the same door, from both nodes in turn.
    pages = set()
    for _ in range(4):
        with urllib.request.urlopen("http://127.0.0.1:18083/", timeout=house.PATIENCE) as answer:
            pages.add(answer.read().decode().strip())
    expect(pages == {"dashboard of 172.16.239.108", "dashboard of 172.16.239.109"}, "pages:", pages)


PROXIED = {
    "nginx-mqtt": rabbit_nginx_mqtt, "nginx-tls": rabbit_even, "haproxy-tls": rabbit_even,
    "emqx-haproxy": rabbit_blog, "load-balancer": rabbit_even,
}


def start_dashboards():
    servers = "".join(
        f"server {{ listen {address}:18083; location / {{ return 200 'dashboard of {address}\\n'; }} }}\n"
        for address in ("172.16.239.108", "172.16.239.109"))
    file = house.SCRATCH / "dashboard.nginx"
    file.write_text(
        f"daemon off; pid {house.SCRATCH}/nginx.pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n{servers}}}\n")
    house.start("dashboard", ["nginx", "-c", file, "-p", house.SCRATCH], "servers")


def body():
    global SYSLOG
    kind = sys.argv[1]
    addresses = list(NAMES.values()) + OTHERS
    hosts = {broker_of(a): [a] for a in addresses} if kind == "mosquitto" else {"servers": addresses}
    house.build_hosts(hosts, NAMES.items(), SOURCES)
    house.certificates(house.SCRATCH / "tls")
    cases = PLAIN if kind == "mosquitto" else PROXIED
    SYSLOG = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    SYSLOG.bind(("127.0.0.1", 514))
    SYSLOG.settimeout(0.2)
    if kind == "mosquitto":
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "switch")
        run("ip", "address", "add", "10.0.0.11/24", "dev", "eth0")
        for end in ("eth0", "switch"):
            run("ip", "link", "set", end, "up")
        for address in addresses:
            BROKERS[address] = house.mosquitto(broker_of(address), address)
    else:
        start_rabbit()
        start_dashboards()
        wait_for(lambda: "Server startup complete" in house.log_of("rabbit"), lambda: house.log_of("rabbit")[-800:], 120)
    for name in sys.argv[2:] or cases:
        began = time.monotonic()
        example = Example(name)
        try:
            cases[name](example)
        except Exception:
            print(f"in example {name}: {example.balancer.servers()}")
            raise
        example.balancer.stop()
        print(f"ok {name} in {time.monotonic() - began:.1f} s")


house.main(body)
