// Configurations that are good, and what they mean.

import Testing
import Wire

@testable import Configuration

@Suite("A good configuration")
struct GoodFilesTests {
    @Test(arguments: [
        "understudy.conf", "minimal.conf", "single.conf", "examples/vrrp-full.conf", "examples/keepalived-peer.conf",
        "examples/cloud.conf",
    ])
    func `is every file of conf, without a warning`(_ name: String) throws {
        let outcome = Checker.check(try Files.shipped(name), as: Files.lb1)
        #expect(outcome.text.isEmpty)
        #expect(outcome.configuration != nil)
    }

    @Test func `the shortest pair has about a dozen lines`() throws {
        let source = try Files.shipped("minimal.conf")
        #expect(source.bytes.count { $0 == 0x0A } <= 13)
    }

    @Test func `gives a release the time of its hooks, within a bound`() throws {
        typealias Hook = Configuration.VirtualRouterSettings.Hook
        var configuration = try Files.good(Files.everything, as: Files.lb1)
        for place in configuration.routers.indices { configuration.routers[place].hooks = [] }
        #expect(configuration.hookTimeAtEnd == .zero)
        // Of one router one after the other, of two at the same time.
        configuration.routers[0].hooks = [Hook(.beforeRelease, path: "/a"), Hook(.afterRelease, path: "/b")]
        configuration.routers.append(configuration.routers[0])
        #expect(configuration.hookTimeAtEnd == .seconds(10))
        configuration.routers[0].hooks[0].timeout = .seconds(500)
        #expect(configuration.hookTimeAtEnd == Configuration.longestHookTime)
    }

    @Test func `means what every directive says`() throws {
        let configuration = try Files.good(Files.everything, as: Files.lb1)
        #expect(configuration.node == "lb1")
        #expect(configuration.local?.priority == 150)
        #expect(configuration.peer?.address == .v4(IPv4Address(10, 0, 0, 12)))
        #expect(configuration.pair?.secretPath == "/etc/under study/pair.key")
        #expect(configuration.pair?.port == 7000)

        let router = try #require(configuration.routers.first)
        #expect(router.interface == "eth0")
        #expect(router.routerID == 51)
        #expect(router.addresses.map(\.description) == ["10.0.0.10/24", "10.0.0.20/32", "2001:db8::10/64", "192.0.2.10/32"])
        #expect(router.addresses.map(\.device) == [nil, "eth3", nil, nil])
        #expect(router.addresses[1].label == "eth3:vip")
        #expect(router.addresses.map(\.preferredLifetime) == [nil, nil, .zero, nil])
        #expect(router.addresses.map(\.isUnadvertised) == [false, false, true, false])
        #expect(router.addresses.map(\.isUnclaimed) == [false, false, false, true])
        // What is not named in adverts makes no second router, and moves with the first.
        #expect(router.families == [.ipv4])
        #expect(router.addresses(movingWith: .ipv4).count == 4 && router.addresses(movingWith: .ipv6).isEmpty)
        #expect(router.announcements.repeats == 3 && router.announcements.refresh == .seconds(60))
        #expect(router.hooks.map(\.event) == [.afterClaim, .beforeRelease])
        #expect(router.hooks.map(\.path) == ["/usr/lib/under study/claim", "/usr/lib/understudy/release"])
        #expect(router.hooks.map(\.timeout) == [.seconds(2), .seconds(5)])
        #expect(configuration.realtimePriority == 20)
        #expect(router.advertInterval == .milliseconds(1500))
        #expect(router.preempt == .after(.seconds(90)))
        #expect(router.priority == 80)
        #expect(router.transport == .multicast)
        #expect(router.downTimerAdverts == 4 && router.checksum == .messageOnly)
        var authentication = Configuration.VirtualRouterSettings.Authentication()
        authentication.mode = .permissive
        authentication.antiReplay = .time
        authentication.window = .seconds(10)
        authentication.keys = [.init(id: 7, path: "/etc/vrrp-7.key"), .init(id: 8, path: "/etc/under study/vrrp-8.key")]
        authentication.activeKey = 8
        #expect(router.authentication == authentication)
        let old = configuration.routers[1]
        #expect(old.version == 2 && old.advertInterval == .seconds(2))
        #expect(old.authentication.kind == .password("se cret"))
        #expect(old.peers.map(\.description) == ["10.0.0.30", "10.0.0.31"])
        #expect(configuration.syncGroups.map(\.routers) == [["mqtt", "old"]])
        #expect(configuration.local?.address(of: .ipv6)?.description == "2001:db8::11")
        #expect(configuration.pair?.acceptedSecretPath == "/etc/next.key")
        let tracking = router.tracking
        #expect(
            tracking.tracks == [
                .init(.interface("eth1")),
                .init(.interface("eth2"), .weight(-20), upDelay: .seconds(2), downDelay: .milliseconds(200)),
                .init(.servers(backend: "emqx", minimum: 2), .weight(5)),
                .init(.file("/run/under study/drain"), .weight(-10)), .init(.script("uplink")),
            ])
        #expect(tracking.withoutServers == .effect(.fault))
        #expect(tracking.settle == .seconds(30))
        #expect(tracking.witness == .init(address: .v4(IPv4Address(10, 0, 0, 1)), isRequired: true))
        #expect(tracking.duplicateProbe == .seconds(60))
        let script = try #require(configuration.scripts.first)
        #expect(script.command == "/usr/bin/test" && script.arguments == ["-e", "/run/up link"])
        #expect(script.interval == .seconds(2) && script.timeout == .milliseconds(500))
        #expect(script.rise == 2 && script.fall == 3 && script.user == "uplink")

        let listener = try #require(configuration.listeners.first)
        #expect(listener.binds == [SocketAddress("*:1883"), SocketAddress("10.0.0.11:1884")])
        #expect(listener.backend == "emqx")
        #expect(listener.maximumSessions == 5000)
        #expect(listener.maximumConnectSize == 1000)
        #expect(listener.connectDeadline == .milliseconds(2500))
        #expect(listener.idleTimeout == .seconds(3600))
        #expect(listener.backlog == 128)
        #expect(listener.webSocket == .init(path: "/mqtt", hosts: ["mqtt.example.com", "10.0.0.10"]))
        #expect(listener.trustedForwarders.map(\.description) == ["10.1.0.0/16", "2001:db8::/32"])
        let admission = listener.admission
        #expect(admission.sourceConnections == 20)
        #expect(admission.sourcePrefix == 56)
        #expect(admission.connectRate == .init(perSecond: 2000, burst: 500))
        #expect(admission.sourceRate == .init(perSecond: 5, burst: 5))
        #expect(admission.clientRate == .init(perSecond: 1, burst: 3))
        #expect(admission.flapping?.reconnects == 10)
        #expect(admission.flapping?.window == .seconds(120))
        #expect(admission.flapping?.delay == .seconds(7))
        #expect(admission.tracked == 128 << 10)
        #expect(admission.firstByteDeadline == .seconds(2))
        #expect(admission.refusesSilently)
        #expect(admission.access.map(\.action) == [.deny, .allow, .allow, .deny])
        #expect(admission.access.map(\.networks.count) == [1, 1, 1, 2])

        #expect(listener.proxyAcceptance?.networks.map(\.description) == ["10.1.0.0/16", "2001:db8::/32"])
        #expect(listener.proxyAcceptance?.isOptional == true)
        #expect(listener.proxyTimeout == .seconds(5))
        #expect(listener.rewriting.clientID == .from(.clientID, keyFile: "/etc/under study/identity.key"))
        #expect(listener.rewriting.username == .from(.certificateCommonName, keyFile: nil))
        #expect(listener.rewriting.password == .remove)
        #expect(configuration.identityKeyFiles == ["/etc/under study/identity.key"])

        let backend = try #require(configuration.backend(named: "emqx"))
        #expect(backend.proxySending?.version == 2)
        #expect(backend.proxySending?.fields == Set(Configuration.ProxySending.Field.allCases))
        #expect(backend.checkHeader == .addresses)
        #expect(backend.algorithm == .hashClientID())
        #expect(backend.stickTable == "sessions")
        #expect(backend.servers.map(\.weight) == [0, 7, 1, 1])
        #expect(backend.servers.map(\.backup) == [false, true, false, false])
        #expect(backend.servers.map(\.disabled) == [false, false, true, false])
        #expect(backend.servers[3].webSocket == .init(target: "/mqtt?x=1", host: "broker.example.com"))
        #expect(backend.check.kind == .tcp)
        #expect(backend.check.interval == .seconds(3))
        #expect(backend.check.timeout == .milliseconds(250))
        #expect(backend.check.rise == 4)
        #expect(backend.check.fall == 5)
        #expect(backend.connectTimeout == .seconds(1))
        #expect(backend.connackTimeout == .seconds(3))
        #expect(backend.maximumTries == 2)

        let table = try #require(configuration.table(named: "sessions"))
        #expect(table.size == 2 << 20)
        #expect(table.expire == .seconds(172_800))
        #expect(table.replicates)
        #expect(configuration.statusBinds == [SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 8888)])
        #expect(configuration.admin.socketPath == "/tmp/admin.sock")
        #expect(configuration.admin.group == "adm")
        #expect(configuration.log.targets.map(\.destination) == [
            .journal, .standardError, .syslog(try #require(SocketAddress("10.0.0.5:514"))), .localSyslog,
        ])
        #expect(configuration.log.targets.map(\.level) == [nil, .warning, .info, nil])
        #expect(configuration.log.targets.map(\.facility) == [.daemon, .daemon, .local3, .local7])
        #expect(configuration.log.targets[2].format == .rfc5424)
        #expect(configuration.log.sessions == .both)
        #expect(configuration.log.sessionFormat == .tcplog)
        #expect(configuration.log.logsEmptySessions)
        #expect(configuration.log.level == .debug)
        #expect(configuration.loops == 4)
        #expect(configuration.user == "nobody")
        #expect(configuration.maximumSessions == 20000)
    }

    @Test func `may pass bytes as they are`() throws {
        let configuration = try Files.good(
            """
            listen m { bind *:1883; use b; proxy-protocol accept from 10.0.0.1 }
            listen d { bind *:18083; protocol http; use c }
            listen w { bind *:8083; protocol tcp; use c }
            backend b { server s1 192.168.0.2:1883; proxy-protocol v1 }
            backend c { server s1 192.168.0.2:18083; balance source; check tcp }
            """)
        #expect(configuration.listeners.map(\.protocol) == [.mqtt, .http, .tcp])
        #expect(configuration.listeners[0].proxyAcceptance?.isOptional == false)
        #expect(configuration.listeners[0].proxyAcceptance?.trusts(.v4(IPv4Address(10, 0, 0, 1))) == true)
        #expect(configuration.listeners[0].proxyAcceptance?.trusts(.v4(IPv4Address(10, 0, 0, 2))) == false)
        #expect(configuration.backends[0].proxySending == .init(version: 1))
        #expect(configuration.backends[1].algorithm == .source)
        #expect(try Files.good(configuration.text) == configuration)
        let text = Explanation(configuration).text
        for sentence in [
            "Connections from 10.0.0.1/32 begin with a PROXY header, whole within 3s; all others are refused.",
            "Listener d: HTTP on *:18083, passed as it is to the backend c.",
            "Listener w: TCP on *:8083, passed as it is to the backend c.",
            "A session ends after a silence of 1h on both sides.",
            "Each connection begins with a PROXY header of version 1; checks say UNKNOWN.",
            "clients go by a hash of their address, by weight.",
        ] { #expect(text.contains(sentence), "\(sentence)") }
    }

    @Test func `is the same when it is written out and read again`() throws {
        for text in [Files.everything, String(decoding: try Files.shipped("minimal.conf").bytes, as: UTF8.self)] {
            let configuration = try Files.good(text, as: Files.lb1)
            #expect(try Files.good(configuration.text, as: Files.lb1) == configuration)
        }
    }

    @Test func `means the other host to the other host`() throws {
        let outcome = Checker.check(try Files.shipped("minimal.conf"), as: Files.lb2)
        #expect(outcome.configuration?.local?.name == "lb2")
        #expect(outcome.configuration?.peer?.name == "lb1")
        #expect(outcome.configuration?.routers.first?.priority == 100)
    }

    @Test func `may be written with semicolons, carriage returns, a byte order mark and empty blocks`() throws {
        let text = """
            \u{FEFF}listen m {\r
                bind *:1883;\r
                use b;; # a comment; with { marks }
            };
            backend b { server "s1" 192.168.0.2:1883 } admin { } log { level info }
            """
        let configuration = try Files.good(text)
        #expect(configuration.backends.first?.servers.first?.name == "s1")
    }

    @Test func `joins the files it includes`() throws {
        let main = Source(name: "/etc/understudy/main.conf", text: "include parts/listen.conf\ninclude /srv/b.conf\n")
        let files = [
            "/etc/understudy/parts/listen.conf": "listen m { bind *:1883; use b }\ninclude more.conf\n",
            "/etc/understudy/parts/more.conf": "loops 2\n",
            "/srv/b.conf": "backend b { server s1 192.168.0.2:1883 }\n",
        ]
        let outcome = Checker.check(main, as: Host()) { path throws(IncludeFailure) in
            guard let text = files[path] else { throw IncludeFailure("not here") }
            return Array(text.utf8)
        }
        #expect(outcome.configuration?.loops == 2)
        #expect(outcome.sources.count == 4)
    }
}
