// What `understudy check` says about a good configuration.

import Testing
import Wire

@testable import Configuration

@Suite("A configuration explained")
struct ExplanationTests {
    @Test func `in words`() throws {
        let outcome = Checker.check(try Files.shipped("minimal.conf"), as: Files.lb2)
        let configuration = try #require(outcome.configuration)
        #expect(Explanation(configuration).text == Self.minimal)
    }

    @Test func `with everything that is not usual`() throws {
        let text = Explanation(try Files.good(Files.everything, as: Files.lb1)).text
        for sentence in [
            "Priority 80 here, 90 on lb2: when both start together, lb2 becomes active.",
            "A node of higher priority takes the address back once it is ready for 1m30s.",
            "10.0.0.20/32 is put on eth3, has the label eth3:vip.",
            "2001:db8::10/64 is never chosen as a source, is not named in adverts.",
            "192.0.2.10/32 is put on no interface: hooks move it.",
            "Neighbours are told 3 times at a takeover, again after 1s and 5s, then every 1m.",
            "Hook before-release: /usr/lib/understudy/release, as root, killed after 5s.",
            "The interface eth1 must be up; else this host does not hold the address.",
            "The interface eth2 must be up, believed down after 200ms, believed up after 2s; else the priority is 20 lower.",
            "The backend emqx must have 2 usable servers; then the priority is 5 higher.",
            "The file /run/under study/drain must say 0, or not be there; each one more lowers the priority by 10.",
            "The script uplink (/usr/bin/test, every 2s, killed after 500ms, as uplink) must succeed; else this host does not hold",
            "Without a usable server this host does not hold the address.",
            "A link that came up is given 30s before silence on it means anything.",
            "This host takes over from silence only while 10.0.0.1 answers.",
            "While active it asks every 1m whether somebody else has the address.",
            "At most 20 of them from one source.", "At most 2000 (500 at once) new connections a second.",
            "A source is an IPv4 address, or an IPv6 network /56.",
            "A client ID that connects more than 10 times in 2m waits 7s each time.",
            "Clients of 10.9.0.0/16 are kept out.", "Everybody else is kept out.",
            "it logs to the journal and standard error (from level warning) and syslog at 10.0.0.5:514 (from level info) "
                + "and this host's syslog from level debug up.",
            "Each session is written down at its CONNACK and when it ends (tcplog).",
            "At most 5000 sessions at one time.",
            "Server emqx1: 192.168.0.2:1883, only sessions that stick to it.",
            "Server emqx3: 192.168.0.4:1883, weight 1, disabled until somebody enables it.",
            "Connections from 10.1.0.0/16, 2001:db8::/32 begin with a PROXY header, whole within 5s; all others are clients",
            "Servers see as client ID the client-id of the client, as a hash with the key in /etc/under study/identity.key.",
            "Servers see as username the certificate-cn of the client.", "Servers see no password.",
            "version 2 with ssl, cn, cipher, authority, alpn, unique-id, crc32c; checks say their own addresses.",
            "Health: A connection every 3s, answered within 250ms; down after 5 failures, up after 4 successes.",
        ] { #expect(text.contains(sentence)) }
    }

    @Test func `as JSON`() throws {
        let outcome = Checker.check(try Files.shipped("minimal.conf"), as: Files.lb1)
        let json = try JSON(parsing: outcome.json.text.utf8.span)
        #expect(json["ok"]?.bool == true)
        let configuration = try #require(json["configuration"])
        #expect(configuration["node"]?.string == "lb1")
        #expect(configuration["peer"]?.string == "lb2")
        let router = try #require(configuration["vrrp"]?.array?.first)
        #expect(router["takeover_ms"] == .number(341.406))
        #expect(router["peer_takeover_ms"] == .number(360.937))
        #expect(router["address"]?.array == ["10.0.0.10/24"])
        #expect(configuration["stick-table"]?.array?.first?["replicate"]?.bool == true)
        #expect(configuration["listen"]?.array?.first?["timeout connect"]?.string == "10s")
    }

    @Test func `as JSON when it is wrong`() throws {
        let outcome = Checker.check(Source(name: "test.conf", text: "\n  frob\n"), as: Host())
        let json = try JSON(parsing: outcome.json.text.utf8.span)
        #expect(json["ok"]?.bool == false)
        #expect(json["configuration"] == .null)
        let message = try #require(json["messages"]?.array?.first)
        #expect(message["severity"]?.string == "error")
        #expect(message["at"]?["file"]?.string == "test.conf")
        #expect(message["at"]?["line"]?.integer == 2)
        #expect(message["at"]?["column"]?.integer == 3)
    }

    private static let minimal = """
        This host is lb2 (10.0.0.12); its peer is lb1 (10.0.0.11).
          The pair link is TLS on port 7946 with the secret in /etc/understudy/pair.key.

        Virtual address 10.0.0.10/24 on eth0 (vrrp mqtt, router-id 51).
          Priority 100 here, 150 on lb1: when both start together, lb1 becomes active.
          The active node sends an advert every 100ms by unicast.
          When lb1 falls silent, this host takes over after 360.9ms (3 × 100ms + 60.9ms skew);
          when this host falls silent, lb1 takes over after 341.4ms.
          When the active node leaves on purpose, the other follows within 60.9ms.
          Neighbours are told 5 times at a takeover, again after 1s and 5s.
          A node that comes back leaves the address where it is (preempt never).
          Adverts carry an HMAC with a key derived from the pair secret; adverts without it are refused, and repeated ones are refused.
          keepalived before 2.4.2 refuses such adverts: beside it, write authentication none.
          Without a usable server this host has priority 1, and hands over to a peer that has one.
          While active it asks every 5s whether somebody else has the address.

        Listener mqtt: MQTT on *:1883, to the backend brokers.
          A client must send its CONNECT within 10s, in at most 64KiB; a session ends after a silence of 1.5 × its own keep-alive.
          At most 1000000 sessions at one time.

        Backend brokers: clients go back to the server the table sessions names;
          those it does not know go to the server with the fewest sessions for its weight.
          Server broker1: 192.168.0.2:1883, weight 1.
          Server broker2: 192.168.0.3:1883, weight 1.
          Health: An MQTT connect every 2s, answered within 1s; down after 3 failures, up after 2 successes.
          The sessions of a server that is down are closed at 2000 a second.
          A CONNECT is tried on up to 2 of them: 2s to connect, 5s for the CONNACK.

        Stick table sessions: up to 1M client IDs, each forgotten 30m after its client has gone; the same on both nodes.

        The balancer runs one event loop for each core, as the user understudy when started by root.
          Commands reach it at /run/understudy/admin.sock; it logs to standard error from level info up.

        At their defaults:
          top level: resolver system every 30s timeout 2s; loops auto; user understudy; limit sessions 1000000; realtime-priority 10; close-spread 2s
          node lb2: priority 100
          pair: port 7946
          vrrp mqtt: advert-interval 100ms; preempt never; announce repeat 5; version 3; down-timer-adverts 3; checksum pseudo-header; transport unicast; authentication hmac; authentication-mode enforce; anti-replay monotonic; without-servers weight -253; settle 0s; duplicate-probe 5s
          listen mqtt: protocol mqtt; limit connections 1000000; limit connect-size 64KiB; timeout connect 10s; timeout idle keep-alive; backlog 4096; source-prefix 64; limit tracked 64K; timeout first-byte connect; refuse connack; timeout proxy-protocol 3s
          backend brokers: balance least-connections; check mqtt every 2s timeout 1s rise 2 fall 3; on-down close; timeout connect 2s; timeout connack 5s; tries 3; check-proxy-protocol local
          stick-table sessions: key client-id; size 1M; expire 30m
          admin: socket /run/understudy/admin.sock
          log: to stderr; level info; sessions off; session-format fields; empty off

        """
}
