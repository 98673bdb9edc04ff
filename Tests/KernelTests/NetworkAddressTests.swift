// Addresses and links on the real kernel: claim, read back, release, and the news when somebody else interferes.

import Glibc
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"))
struct NetworkAddressTests {
    private static let prefixes = ["10.9.0.10/24", "10.9.0.11/32", "fd09::10/64", "fd09::11/128"]

    @Test("a claimed address is shown as ours, and its removal by somebody is news", arguments: prefixes)
    func claimAndRemoval(text: String) async throws {
        let prefix = try #require(IPPrefix(text))
        try await NetworkPair.run { _ in
            let netlink = try Netlink()
            let monitor = try NetlinkMonitor()
            let interface = try netlink.interface("left")

            try netlink.claim(prefix, on: interface.index)
            #expect(try netlink.isShown(prefix.address, on: interface.index))
            let shown = try #require(try netlink.addresses(on: interface.index).first { $0.prefix == prefix })
            #expect(shown.isOurs && shown.isUsable)
            #expect(try monitor.waitFor { $0 == .address(shown) })

            // Again: it is there, which is what was asked.
            try netlink.claim(prefix, on: interface.index)

            try shell("ip address del \(prefix) dev left")
            #expect(
                try monitor.waitFor { news in
                    if case .addressRemoved(let address) = news { address.prefix == prefix } else { false }
                })
            #expect(try !netlink.isShown(prefix.address, on: interface.index))
        }
    }

    @Test("release takes the address away whatever its prefix, and again is no error")
    func release() async throws {
        try await NetworkPair.run { _ in
            let netlink = try Netlink()
            let interface = try netlink.interface("left")
            let address = IPAddress.v4(IPv4Address(10, 9, 0, 10))
            try shell("ip address add 10.9.0.10/16 dev left && ip address add 10.9.0.10/32 dev left")
            #expect(try netlink.isShown(address, on: interface.index))
            try netlink.release(address, on: interface.index)
            #expect(try !netlink.isShown(address, on: interface.index))
            try netlink.release(address, on: interface.index)
            // The host's own address stays.
            #expect(try netlink.isShown(.v4(IPv4Address(10, 9, 0, 1)), on: interface.index))
        }
    }

    @Test("an IPv6 host address is never chosen as a source, and is usable without delay")
    func preferredLifetime() async throws {
        try await NetworkPair.run { _ in
            try shell("sysctl -q -w net.ipv6.conf.left.accept_dad=1")
            let netlink = try Netlink()
            let interface = try netlink.interface("left")
            try netlink.claim(try #require(IPPrefix("fd09::11/128")), on: interface.index)
            try shell("ip -6 address show dev left to fd09::11 | grep -q deprecated")
            try shell("ip -6 address show dev left to fd09::11 | grep -q nodad")
        }
    }

    @Test("a refused claim says which call and why")
    func refusal() async throws {
        try await NetworkPair.run { _ in
            let netlink = try Netlink()
            let prefix = IPPrefix(.v4(IPv4Address(10, 9, 0, 10)), length: 24)
            #expect(throws: Errno(ENODEV, "RTM_NEWADDR 10.9.0.10/24")) { try netlink.claim(prefix, on: 9999) }
        }
    }

    @Test("links going down, losing the other end, and vanishing are news")
    func links() async throws {
        try await NetworkPair.run { pair in
            let netlink = try Netlink()
            let monitor = try NetlinkMonitor()
            let interface = try netlink.interface("left")
            #expect(interface.isReady && interface.mac?.description == "02:00:00:00:00:0a" && interface.mtu == 1500)

            try pair.inRight { try shell("ip link set right down") }
            #expect(
                try monitor.waitFor { news in
                    if case .interface(let now) = news {
                        now.index == interface.index && now.isUp && !now.isRunning
                    } else {
                        false
                    }
                })
            try pair.inRight { try shell("ip link set right up") }
            #expect(try monitor.waitFor { $0 == .interface(interface) })
            try shell("ip link set left down")
            #expect(
                try monitor.waitFor { news in
                    if case .interface(let now) = news { now.index == interface.index && !now.isUp } else { false }
                })
            try shell("ip link del left")
            #expect(try monitor.waitFor { $0 == .interfaceRemoved(index: interface.index) })
        }
    }

    @Test("news nobody reads in time are reported as lost, and the next ones come")
    func overrun() async throws {
        try await NetworkPair.run { _ in
            let netlink = try Netlink()
            let monitor = try NetlinkMonitor(receiveBuffer: 4096)
            let interface = try netlink.interface("left")
            let prefix = IPPrefix(.v4(IPv4Address(10, 9, 0, 10)), length: 32)
            for _ in 0..<100 {
                try netlink.claim(prefix, on: interface.index)
                try netlink.release(prefix.address, on: interface.index)
            }
            #expect(try monitor.waitFor { $0 == .lost })
            #expect(monitor.lostCount > 0)
            try monitor.drain(limit: 1000) { _ in }
            try netlink.claim(prefix, on: interface.index)
            #expect(
                try monitor.waitFor { news in
                    if case .address(let address) = news { address.prefix == prefix } else { false }
                })
        }
    }

    @Test("what another process sends to our netlink port is not news")
    func foreignSender() async throws {
        try await NetworkPair.run { _ in
            let netlink = try Netlink()
            let monitor = try NetlinkMonitor()
            let interface = try netlink.interface("left")
            // A forged RTM_DELADDR for 10.9.0.1 to every rtnetlink port of this namespace.
            try shell(
                """
                python3 -c '
                import socket, struct
                attribute = struct.pack("HH4s", 8, 2, bytes([10, 9, 0, 1]))
                body = struct.pack("BBBBI", 2, 24, 0, 0, \(interface.index)) + attribute
                message = struct.pack("IHHII", 16 + len(body), 21, 0, 0, 0) + body
                sender = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
                sender.bind((0, 0))
                sent = 0
                for line in open("/proc/net/netlink").readlines()[1:]:
                    fields = line.split()
                    if fields[1] == "0" and fields[2] not in ("0", str(sender.getsockname()[0])):
                        sent += sender.sendto(message, (int(fields[2]), 0)) > 0
                assert sent >= 2
                '
                """)
            let prefix = IPPrefix(.v4(IPv4Address(10, 9, 0, 10)), length: 32)
            try netlink.claim(prefix, on: interface.index)
            var news: [NetlinkNews] = []
            #expect(
                try monitor.waitFor { one in
                    news.append(one)
                    if case .address(let address) = one { return address.prefix == prefix } else { return false }
                })
            #expect(!news.contains { if case .addressRemoved = $0 { true } else { false } })
        }
    }
}
