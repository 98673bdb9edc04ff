"""HAProxy as its documents configure it for MQTT: the CONNECT is read and checked, and a table remembers client IDs."""


def section(head, *lines):
    return "\n  ".join([head, *(line for line in lines if line)]) + "\n"


def beginning(maxconn, *more, connect="10s", options=()):
    """`more` is for the process, `options` are for all listeners and backends."""
    return section("global", f"maxconn {maxconn}", "ssl-default-bind-options ssl-min-ver TLSv1.2", *more) + section(
        "defaults", "mode tcp", f"timeout connect {connect}", "timeout client 1h", "timeout server 1h", *options)


def listener(name, bind, inspect="10s"):
    return section(
        f"frontend {name}", f"bind {bind} backlog 16384", f"tcp-request inspect-delay {inspect}",
        "tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }", "default_backend brokers")


def opaque(name, bind, *servers):
    """A listener whose bytes pass unseen, and its servers."""
    return section(f"frontend {name}", f"bind {bind} backlog 16384", f"default_backend {name}") + section(
        f"backend {name}", *named(servers))


def brokers(*servers, length=64):
    """`length`: bytes of a client ID in the table."""
    return section(
        "backend brokers", f"stick-table type string len {length} size 100k expire 30m",
        "stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)", *named(servers))


def named(servers):
    return [f"server {name} {address}" for name, address in zip(("one", "two"), servers, strict=False)]
