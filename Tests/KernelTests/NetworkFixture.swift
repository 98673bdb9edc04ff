// Two hosts of one test: network namespaces joined by a cable, on a thread of their own.

import Foundation
import Linux
import Testing
import Wire

/// Two nameless network namespaces joined by a veth pair: interface `left` in the left one, `right` in the right one.
///
/// They vanish with the test, however it ends: nothing but this thread and its descriptors holds them.
struct NetworkPair: ~Copyable {
    let left: NetworkNamespace
    let right: NetworkNamespace

    private static func make() throws -> NetworkPair {
        let right = try enterNew()
        let pair = NetworkPair(left: try enterNew(), right: right)
        try shell("ip link add left address 02:00:00:00:00:0a type veth peer name right address 02:00:00:00:00:0b")
        try shell("ip link set right netns \(pair.right.pathForChildren())")
        let news = try NetlinkMonitor()
        try shell("ip address add 10.9.0.1/24 dev left && ip link set left up")
        try pair.inRight {
            let news = try NetlinkMonitor()
            try shell("ip address add 10.9.0.2/24 dev right && ip link set right up")
            try waitUntilReady("right", news)
        }
        try waitUntilReady("left", news)
        return pair
    }

    /// Waits until the kernel says that the link carries frames and has its link-local address.
    private static func waitUntilReady(_ name: String, _ news: NetlinkMonitor) throws {
        let netlink = try Netlink()
        while true {
            let interface = try netlink.interface(name)
            let hasLinkLocal = try netlink.addresses(on: interface.index).contains {
                $0.prefix.address.isLinkLocal && $0.isUsable
            }
            if interface.isReady, hasLinkLocal { return }
            try #require(waitUntilReadable(news.number), "the link \(name) does not come up")
            try news.drain { _ in }
        }
    }

    /// A new namespace in which IPv6 addresses are usable at once.
    private static func enterNew() throws -> NetworkNamespace {
        let namespace = try NetworkNamespace.enterNew()
        try shell("sysctl -q -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; ip link set lo up")
        return namespace
    }

    /// Works in the right namespace, and comes back to the left one.
    func inRight<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
        try right.enter()
        defer { try? left.enter() }
        return try body()
    }

    /// Runs a test on a thread of its own, which alone moves between the namespaces.
    static func run(_ body: @escaping @Sendable (borrowing NetworkPair) throws -> Void) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let thread = Thread {
                continuation.resume(
                    with: Result {
                        let pair = try make()
                        try body(pair)
                    })
            }
            thread.stackSize = 4 << 20
            thread.start()
        }
    }
}

/// A shell command that had to succeed did not.
struct CommandFailed: Error { let command: String }

/// Runs a shell command in the calling thread's namespace; it must succeed.
func shell(_ command: String) throws {
    guard succeeds(command) else { throw CommandFailed(command: command) }
}

/// Whether a shell command in the calling thread's namespace succeeds.
func succeeds(_ command: String) -> Bool { unsafe system(command) == 0 }

/// Waits until a descriptor is readable; gives up after five seconds.
func waitUntilReadable(_ number: Int32) -> Bool {
    var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, 5000) == 1
}

extension Netlink {
    /// The interface of that name in the namespace this socket was made in.
    func interface(_ name: String) throws -> Interface {
        try #require(try interfaces().first { $0.name == name })
    }
}

extension NetlinkMonitor {
    /// Reads news until one satisfies `condition`; gives up after five silent seconds.
    func waitFor(_ condition: (NetlinkNews) -> Bool) throws -> Bool {
        var found = false
        while !found {
            guard waitUntilReadable(number) else { return false }
            try drain { found = found || condition($0) }
        }
        return true
    }
}

/// Whether this machine lets the tests make network namespaces.
let canMakeNamespaces = geteuid() == 0
