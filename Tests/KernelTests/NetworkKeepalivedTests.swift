// Debian's keepalived as the other router: who believes whom, and who takes over when.

import Control
import Failover
import Glibc
import Linux
import Testing
import VRRP
import Wire

/// keepalived in the calling thread's namespace, with its files in a directory of its own.
final class Keepalived {
    private let directory: String
    private let process: Linux.Process

    static let path = "/usr/sbin/keepalived"
    static let isInstalled = unsafe access(path, X_OK) == 0

    /// - Parameter password: of version 2 at one advert a second; `nil`: version 3 at ten.
    init(priority: Int, _ transport: NetworkKeepalivedTests.Transport, password: String? = nil) throws {
        directory = "/tmp/understudy-keepalived-\(getpid())-\(Clock.now.nanoseconds)"
        try shell("mkdir -p \(directory)")
        let configuration = """
            vrrp_instance pair {
                state BACKUP
                interface right
                virtual_router_id 51
                priority \(priority)
                advert_int \(password == nil ? "0.1" : "1")
                version \(password == nil ? 3 : 2)
                \(password.map { "authentication { auth_type PASS\nauth_pass \($0) \n}" } ?? "")
                \(transport.keepalived)
                virtual_ipaddress {
                    \(transport.prefix) dev right
                }
            }
            """
        try shell("cat > \(directory)/keepalived.conf <<'END'\n\(configuration)\nEND")
        process = try Linux.Process(
            Linux.Process.Launch(
                path: Self.path,
                arguments: [
                    "keepalived", "--dont-fork", "--vrrp", "--use-file", "\(directory)/keepalived.conf", "--pid",
                    "\(directory)/pid", "--vrrp_pid", "\(directory)/vrrp_pid",
                ],
                environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]))
    }

    /// Ends it as an operator would: it says goodbye and takes its address away.
    func stop() { try? process.send(SIGTERM) }

    /// Kills all of it at once: it says nothing, and its address stays. The child first, which would say goodbye when
    /// its parent dies.
    func kill() { _ = succeeds("kill -9 $(cat \(directory)/vrrp_pid) \(process.pid)") }

    deinit {
        kill()
        process.finish()
        _ = succeeds("rm -rf \(directory)")
    }
}

@Suite(
    .enabled(if: canMakeNamespaces, "needs root for network namespaces"),
    .enabled(if: Keepalived.isInstalled, "needs keepalived"), .serialized)
struct NetworkKeepalivedTests {
    /// How the two speak.
    enum Transport: String, CaseIterable, Sendable {
        case unicast, multicast, multicastIPv6

        /// The words of keepalived's configuration.
        var keepalived: String {
            self == .unicast ? "unicast_src_ip 10.9.0.2\nunicast_peer { 10.9.0.1 }" : ""
        }

        /// The words of ours.
        var ours: String { "authentication none; transport \(self == .unicast ? "unicast" : "multicast")" }

        /// The virtual address, without its prefix length and with it.
        var address: String { self == .multicastIPv6 ? "fd09::10" : "10.9.0.10" }
        var prefix: String { self == .multicastIPv6 ? "fd09::10/64" : "10.9.0.10/24" }
    }

    private static let interval = Duration.milliseconds(100)

    /// A host of ours in the left namespace, and a place for keepalived in the right one.
    private static func withHost(
        _ transport: Transport,
        _ body: @escaping @Sendable (EventLoop, VipHost, Netlink, borrowing NetworkPair) throws -> Void
    ) async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            let configuration = VipPair.configuration(
                interface: "left", address: transport.prefix, router: transport.ours)
            let host = try VipHost("left", on: loop, configuration: configuration, interface: "left")
            defer {
                host.killSupervisor()
                _ = try? loop.waitFor { host.exitStatus != nil }
            }
            try body(loop, host, try pair.inRight { try Netlink() }, pair)
        }
    }

    private static func isShown(_ netlink: Netlink, _ transport: Transport) throws -> Bool {
        let index = try netlink.interface("right").index
        return try netlink.isShown(try #require(IPAddress(transport.address)), on: index)
    }

    private static func counter(_ host: VipHost, _ name: String) throws -> Int64 {
        try #require(try host.router()?["counters"]?[name]?.integer)
    }

    @Test(
        "keepalived stays backup while we advertise, and takes over when we say goodbye", arguments: Transport.allCases)
    func weAreActive(_ transport: Transport) async throws {
        try await Self.withHost(transport) { loop, host, other, pair in
            try #require(try loop.waitFor { host.holds(transport.address) })
            let keepalived = try pair.inRight { try Keepalived(priority: 100, transport) }
            // Without believing us it would be active after four of its intervals.
            let sent = try Self.counter(host, "advertisements_sent")
            try #require(try loop.waitFor { (try? Self.counter(host, "advertisements_sent")) ?? 0 >= sent + 12 })
            #expect(try !Self.isShown(other, transport) && host.holds(transport.address))
            #expect(try Self.counter(host, "advertisements_received") == 0)

            host.supervisor.send(.stop(deadline: Clock.now + .seconds(1)))
            try #require(
                try loop.waitFor { (try? Self.isShown(other, transport)) == true && !host.holds(transport.address) })
            withExtendedLifetime(keepalived) {}
        }
    }

    @Test("keepalived takes over not before three intervals of silence", arguments: Transport.allCases)
    func weFallSilent(_ transport: Transport) async throws {
        try await Self.withHost(transport) { loop, host, other, pair in
            try #require(try loop.waitFor { host.holds(transport.address) })
            let keepalived = try pair.inRight { try Keepalived(priority: 100, transport) }
            let sent = try Self.counter(host, "advertisements_sent")
            try #require(try loop.waitFor { (try? Self.counter(host, "advertisements_sent")) ?? 0 >= sent + 12 })
            #expect(try !Self.isShown(other, transport))

            // From here on it hears nothing. The last advertisement it heard is at most an interval old.
            let silence = Clock.now
            try pair.inRight {
                try shell(
                    """
                    nft add table inet quiet
                    nft add chain inet quiet input '{ type filter hook input priority 0; }'
                    nft add rule inet quiet input meta l4proto 112 drop
                    """)
            }
            try #require(try loop.waitFor { (try? Self.isShown(other, transport)) == true })
            #expect(Clock.now - silence >= Self.interval * 2)
            withExtendedLifetime(keepalived) {}
        }
    }

    @Test(
        "we stay backup while keepalived advertises, and take over when it ends or dies", arguments: Transport.allCases)
    func theyAreActive(_ transport: Transport) async throws {
        try await Self.withHost(transport) { loop, host, other, pair in
            // It preempts: the higher priority is what it goes by.
            try #require(try loop.waitFor { host.holds(transport.address) })
            var keepalived = try pair.inRight { try Keepalived(priority: 200, transport) }
            try #require(
                try loop.waitFor { (try? Self.isShown(other, transport)) == true && !host.holds(transport.address) })
            try #require(try loop.waitFor { (try? Self.counter(host, "advertisements_received")) ?? 0 >= 12 })
            #expect(!host.holds(transport.address))
            let peer = try #require(try host.router()?["peers"]?.array?.first)
            #expect(peer["priority"] == 200 && peer["addresses_differ"] == false)
            #expect(try host.router()?["refusals"] == .object([]))

            keepalived.stop()
            try #require(try loop.waitFor { host.holds(transport.address) })
            #expect(try #require(try host.router()?["why"]?.string).contains(" handed over"))
            try #require(try loop.waitFor { (try? Self.isShown(other, transport)) == false })

            keepalived = try pair.inRight { try Keepalived(priority: 200, transport) }
            try #require(
                try loop.waitFor { (try? Self.isShown(other, transport)) == true && !host.holds(transport.address) })
            try #require(
                try loop.waitFor {
                    (try? host.router()?["why"]?.string?.contains(" is active with priority 200")) == true
                })
            keepalived.kill()
            try #require(try loop.waitFor { host.holds(transport.address) })
            #expect(try #require(try host.router()?["why"]?.string).contains(" fell silent"))
        }
    }

    @Test("version 2 with a password: keepalived believes us, and we believe it")
    func versionTwo() async throws {
        let transport = Transport.unicast
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            let other = try pair.inRight { try Netlink() }
            let host = try VipHost(
                "left", on: loop,
                configuration: VipPair.configuration(
                    interface: "left", router: "version 2; authentication password sesame"),
                interface: "left")
            try #require(try loop.waitFor { host.holds(transport.address) })
            let keepalived = try pair.inRight { try Keepalived(priority: 100, transport, password: "sesame") }
            // Without believing us it would be active after 3.6 s.
            let sent = try Self.counter(host, "advertisements_sent")
            try #require(try loop.waitFor { (try? Self.counter(host, "advertisements_sent")) ?? 0 >= sent + 6 })
            #expect(try !Self.isShown(other, transport) && host.holds(transport.address))

            _ = try host.ask(["command": "step-down"])
            try #require(
                try loop.waitFor { (try? Self.isShown(other, transport)) == true && !host.holds(transport.address) })
            try #require(
                try loop.waitFor {
                    (try? host.router()?["why"]?.string?.contains(" is active with priority 100")) == true
                })
            #expect(try host.router()?["refusals"]?.members?.isEmpty == true)
            keepalived.stop()
            try #require(try loop.waitFor { host.holds(transport.address) })
            host.killSupervisor()
            try #require(try loop.waitFor { host.exitStatus != nil })
        }
    }

    @Test("we preempt keepalived of lower priority when told to, and it lets go")
    func wePreempt() async throws {
        let transport = Transport.unicast
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            let other = try pair.inRight { try Netlink() }
            let keepalived = try pair.inRight {
                try Keepalived(priority: 100, transport)
            }
            try #require(try loop.waitFor { (try? Self.isShown(other, transport)) == true })
            let host = try VipHost(
                "left", on: loop,
                configuration: VipPair.configuration(interface: "left", router: "authentication none; preempt after 200ms"),
                interface: "left")
            try #require(
                try loop.waitFor { host.holds(transport.address) && (try? Self.isShown(other, transport)) == false })
            #expect(try #require(try host.router()?["why"]?.string).contains("has the lower priority 100"))
            host.killSupervisor()
            try #require(try loop.waitFor { host.exitStatus != nil })
            withExtendedLifetime(keepalived) {}
        }
    }
}
