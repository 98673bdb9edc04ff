// What a reload would change, in words.

import Testing
import Wire

@testable import Configuration

@Suite("The difference between two configurations")
struct DifferenceTests {
    @Test func `is empty between equals`() throws {
        let configuration = try Files.good(Files.everything, as: Files.lb1)
        #expect(Configuration.Difference(from: configuration, to: configuration).isEmpty)
    }

    @Test func `is told block by block with what a reload does`() throws {
        let old = try Files.good(Files.everything, as: Files.lb1)
        var new = old
        new.routers[0].advertInterval = .milliseconds(100)
        new.routers[0].addresses.removeLast()
        new.routers[0].tracking.tracks[1].upDelay = .zero
        new.routers[0].tracking.tracks.remove(at: 3)
        new.listeners[0].maximumSessions = 6000
        new.backends[0].servers[1].weight = 9
        new.backends[0].servers.remove(at: 0)
        new.backends[0].servers.append(.init(name: "emqx9", address: .init(.v4(.init(192, 168, 0, 5)), port: 1883)))
        new.backends[0].stickTable = nil
        new.tables = []
        new.admin.group = "understudy"
        new.loops = nil
        new.listeners.append(.init(name: "second", binds: [], backend: "emqx"))
        let difference = Configuration.Difference(from: old, to: new)
        #expect(
            difference.text == """
                stick-table sessions: removed (applied in place)
                loops was 4, is auto (holds from the next upgrade on)
                vrrp mqtt: advert-interval was 1.5s, is 100ms (applied in place)
                vrrp mqtt: address 192.0.2.10/32 unclaimed removed (applied in place)
                vrrp mqtt: track interface eth2 was weight -20 up 2s down 200ms, is weight -20 down 200ms (applied in place)
                vrrp mqtt: track file "/run/under study/drain" removed (applied in place)
                listen mqtt: limit connections was 5000, is 6000 (applies to new sessions)
                listen second: added (applied in place)
                backend emqx: stick was on client-id table sessions, is not written (applies to new sessions)
                backend emqx: server emqx1 removed (applied in place)
                backend emqx: server emqx2 was [2001:db8::3]:1883 weight 7 backup, is [2001:db8::3]:1883 weight 9 backup \
                (applied in place)
                backend emqx: server emqx9 added: 192.168.0.5:1883 weight 1 (applied in place)
                admin: group was adm, is understudy (needs a restart)

                """)
        #expect(difference.needsRestart)
    }

    @Test func `tells that a secret changed, and no secret`() throws {
        let text = """
            node a { address 10.0.0.1 }
            node b { address 10.0.0.2 }
            pair { secret /k }
            vrrp v { interface eth0; router-id 5; address 10.0.0.9/24; version 2; advert-interval 1s; authentication password sesame }
            listen m { bind *:1883; use b }
            backend b { server s 10.0.0.3:1883; check mqtt client-id password username password password "open sesame" }
            """
        let old = try Files.good(text, as: .init(node: "a"))
        let new = try Files.good(text.split(separator: "sesame").joined(separator: "tahini"), as: .init(node: "a"))
        #expect(
            Configuration.Difference(from: old, to: new).text == """
                vrrp v: authentication has another secret (applied in place)
                backend b: check has another secret (applied in place)

                """)
        let json = Explanation(new).json.text
        #expect(!json.contains("tahini"))
        #expect(json.contains("client-id password username password password ***"))
        // What is read again must be what was written.
        #expect(new.text.contains("password \"open tahini\"") && new.text.contains("authentication password tahini"))
    }

    @Test func `tells an order that changed, and another identity`() throws {
        let old = try Files.good(Files.everything, as: Files.lb1)
        var new = old
        new.routers[0].addresses.reverse()
        new.node = "lb2"
        #expect(
            Configuration.Difference(from: old, to: new).changes.map(\.text) == [
                "this host was lb1, is lb2",
                "address: the order is now 192.0.2.10/32 unclaimed, 2001:db8::10/64 preferred-lifetime 0s unadvertised, "
                    + "10.0.0.20/32 dev eth3 label eth3:vip, 10.0.0.10/24",
            ])
    }

    @Test func `sees every setting there is`() throws {
        // Whatever two configurations do not share must show in the difference: it is what a reload obeys.
        let full = try Files.good(Files.everything, as: Files.lb1)
        let plain = try Files.good(
            """
            node lb1 { address 10.0.0.11; priority 151 }
            node lb2 { address 10.0.0.13; priority 91 }
            pair { secret /k }
            vrrp mqtt { interface eth9; router-id 52; address 10.0.0.30/24; authentication none }
            vrrp old { interface eth9; router-id 53; address 10.0.0.32/24 }
            sync-group both { router old; router mqtt }
            listen mqtt { bind *:1885; use other }
            backend other { server x 192.168.9.9:1883 }
            backend emqx { server x 192.168.9.9:1883 }
            stick-table sessions { }
            script uplink { command /bin/true }
            status { bind 127.0.0.1:8889 }
            """, as: Files.lb1)
        let encrypted = try Files.good(Files.encryption)
        let ordinary = try Files.good(
            """
            listen plain { bind *:1883; use b }
            listen a { bind *:8883; use b; tls { certificate /z; maximum-version 1.2 } }
            backend b { server s 192.168.0.2:8883; tls { verify none; maximum-version 1.2 } }
            """)
        let changes =
            Configuration.Difference(from: full, to: plain).changes
            + Configuration.Difference(from: encrypted, to: ordinary).changes
        let unseen = Directive.all.filter { directive in
            directive.opens == nil && !["include", "protocol", "version", "key"].contains(directive.name)
                && !changes.contains { change in
                    let subject = directive.context.opener.map { opener in
                        let outer = opener.context.opener?.name
                        return outer.map { change.subject.hasPrefix($0) && change.subject.hasSuffix(opener.name) }
                            ?? change.subject.hasPrefix(opener.name)
                    }
                    return subject ?? change.subject.isEmpty && change.text.hasPrefix(directive.name)
                }
        }
        #expect(unseen.isEmpty)
    }
}
