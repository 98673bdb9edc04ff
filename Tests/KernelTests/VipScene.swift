// One or two hosts with vip processes, for the tests of addresses, hooks and stalls.

import Linux
import Testing
import Wire

/// Sets up hosts in two namespaces, runs a test on them, and ends them however the test ended.
enum VipScene {
    static let address = "10.9.0.10"

    /// A configuration from the name of the interface.
    typealias Text = @Sendable (_ interface: String) -> String

    /// The left host alone, with the other one configured and silent.
    static func alone(
        _ life: Life = .thread, prepare: @escaping @Sendable () throws -> Void = {},
        _ configuration: @escaping Text = { VipPair.configuration(interface: $0) },
        _ body: @escaping @Sendable (EventLoop, VipHost, borrowing NetworkPair) throws -> Void
    ) async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try shell("ip address add fd09::1/64 dev left nodad")
            try pair.inRight { try shell("ip address add fd09::2/64 dev right nodad") }
            try prepare()
            let left = try VipHost("left", on: loop, configuration: configuration("left"), interface: "left", as: life)
            defer { left.end() }
            try #require(try loop.waitFor { (try? left.router()?["state"]) == "active" }, "the host is not active")
            try body(loop, left, pair)
        }
    }

    /// Both hosts, each a process of its own; the left one has the higher priority and is active when the test begins.
    static func both(
        _ configuration: @escaping Text = { VipPair.configuration(interface: $0) }, leftErrors: Int32 = 2,
        _ body: @escaping @Sendable (EventLoop, VipHost, VipHost, borrowing NetworkPair) throws -> Void
    ) async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try shell("ip address add fd09::1/64 dev left nodad")
            let left = try VipHost(
                "left", on: loop, configuration: configuration("left"), interface: "left",
                as: .process(errors: leftErrors))
            defer { left.end() }
            let right = try pair.inRight {
                try shell("ip address add fd09::2/64 dev right nodad")
                return try VipHost(
                    "right", on: loop, configuration: configuration("right"), interface: "right", serving: false,
                    as: .process())
            }
            defer { right.end() }
            try #require(try loop.waitFor { (try? left.router()?["state"]) == "active" }, "the left host is not active")
            right.beat = left.beat
            try #require(
                try loop.waitFor { (try? right.router()?["why"]?.string?.contains("10.9.0.1 is active")) == true },
                "the right host does not hear the left one")
            try body(loop, left, right, pair)
        }
    }
}

extension EventLoop {
    /// Turns for a while, so that beats go on.
    func turn(for duration: Duration) throws {
        let end = Clock.now + duration
        while Clock.now < end { try turn(limit: min(.milliseconds(10), end - Clock.now)) }
    }
}

extension VipHost {
    /// A counter of the first router.
    func counter(_ name: String) throws -> Int64 { try #require(try router()?["counters"]?[name]?.integer) }
}

extension NetlinkMonitor {
    /// The addresses whose removal is among the news that are here.
    func removals() throws -> [IPAddress] {
        var removed: [IPAddress] = []
        try drain(limit: 10_000) { if case .addressRemoved(let address) = $0 { removed.append(address.prefix.address) } }
        return removed
    }
}
