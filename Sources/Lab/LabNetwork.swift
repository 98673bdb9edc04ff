// The lab's wires: a bridge, and a namespace for each host.

import Glibc
import Linux
package import Wire

/// The bridge and the hosts on it.
package final class LabNetwork {
    /// The virtual address of every lab.
    package static let virtualAddress = IPAddress.v4(IPv4Address(10, 0, 0, 10))

    private let bench: Workbench
    private let bridge: String
    package private(set) var hosts: [Host] = []

    /// Builds the bridge and the hosts; each answers to the others when this returns.
    ///
    /// - Parameter hosts: short name and last octet of the address.
    init(_ bench: Workbench, hosts: [(name: String, octet: UInt8)]) throws(LabError) {
        self.bench = bench
        bridge = bench.prefix + "br"
        try bench.succeed(["ip", "netns", "add", bridge])
        try batch(
            bridge,
            [
                "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                "link set br0 up", "link set lo up",
            ])
        for host in hosts { try add(host.name, host.octet) }
    }

    private func add(_ name: String, _ octet: UInt8) throws(LabError) {
        let host = Host(
            name: name, namespace: bench.prefix + name, address: .v4(IPv4Address(10, 0, 0, octet)))
        try bench.succeed(["ip", "netns", "add", host.namespace])
        hosts.append(host)
        try batch(
            host.namespace,
            [
                "link set lo up",
                "link add eth0 type veth peer name \(name) netns \(bridge)",
                "address add \(host.address)/24 dev eth0",
                "link set eth0 up",
            ])
        try batch(bridge, ["link set \(name) master br0", "link set \(name) up"])
        // A hundred thousand short connections a minute would use up the ports.
        try bench.succeed(
            [
                "ip", "netns", "exec", host.namespace, "sh", "-c",
                "echo 10240 65535 > /proc/sys/net/ipv4/ip_local_port_range; echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse",
            ])
    }

    private func batch(_ namespace: String, _ lines: [String]) throws(LabError) {
        let path = "\(bench.directory)/ip-batch"
        let text = lines.joined(separator: "\n") + "\n"
        try kernel("writing \(path)") { () throws(Errno) in try FileTree.write(path, Array(text.utf8)) }
        try bench.succeed(["ip", "-n", namespace, "-batch", path])
    }

    /// The host of that name; there is one.
    package func host(_ name: String) -> Host {
        guard let host = hosts.first(where: { $0.name == name }) else { preconditionFailure("no host \(name)") }
        return host
    }

    // MARK: Faults

    /// Takes the bridge's end of a host's link down: the host hears and is heard by nobody, as when a cable is pulled.
    ///
    @discardableResult
    package func cut(_ host: Host) throws(LabError) -> Moment {
        try Moment.around { () throws(LabError) in
            _ = try bench.succeed(["ip", "-n", bridge, "link", "set", host.name, "down"])
        }
    }

    /// Brings the link back after ``cut(_:)`` or ``isolate(_:)``.
    @discardableResult
    package func heal(_ host: Host) throws(LabError) -> Moment {
        try Moment.around { () throws(LabError) in
            _ = try bench.succeed(["ip", "-n", bridge, "link", "set", host.name, "up"])
            _ = try bench.succeed(["bridge", "-n", bridge, "link", "set", "dev", host.name, "state", "3"])
        }
    }

    /// Has the bridge drop everything to and from a host, whose own link stays up: as when a switch fails. The host
    /// hears and is heard by nobody, and does not know.
    @discardableResult
    package func isolate(_ host: Host) throws(LabError) -> Moment {
        try Moment.around { () throws(LabError) in
            _ = try bench.succeed(["bridge", "-n", bridge, "link", "set", "dev", host.name, "state", "0"])
        }
    }

    /// Drops what a host sends that one of these rules of nft(8) matches, such as `meta l4proto 112`, until ``unblock(_:)``.
    @discardableResult
    package func block(_ host: Host, _ rules: [String]) throws(LabError) -> Moment {
        let lines =
            ["add table inet lab", "add chain inet lab output { type filter hook output priority 0; }"]
            + rules.map { "add rule inet lab output \($0) drop" }
        return try Moment.around { () throws(LabError) in
            _ = try bench.succeed(
                ["ip", "netns", "exec", host.namespace, "nft", lines.joined(separator: "; ")])
        }
    }

    /// Ends ``block(_:_:)``.
    package func unblock(_ host: Host) throws(LabError) {
        try bench.succeed(["ip", "netns", "exec", host.namespace, "nft", "delete table inet lab"])
    }

    /// Makes a host forget every link-layer address, as it does by itself in a long separation.
    package func forgetNeighbours(_ host: Host) throws(LabError) {
        try bench.succeed(["ip", "-n", host.namespace, "neigh", "flush", "dev", "eth0"])
    }

    /// Does to each packet a host sends what netem(8) says: `loss 10%`, `delay 5ms 2ms`; `nil` ends it.
    package func disturb(_ host: Host, _ netem: String?) throws(LabError) {
        let verb = netem == nil ? "del" : "replace"
        let words = netem.map { $0.split(separator: " ").map(String.init) } ?? []
        try bench.succeed(
            ["tc", "-n", host.namespace, "qdisc", verb, "dev", "eth0", "root"] + (netem == nil ? [] : ["netem"] + words)
        )
    }

    // MARK: Questions

    /// Which network cards answer for an address on the wire, asked by `host` for a second. More than one is a split.
    package func whoAnswers(_ address: IPAddress, askedBy host: Host) throws(LabError) -> Set<String> {
        let (_, output) = try bench.run(
            [
                "ip", "netns", "exec", host.namespace, "arping", "-b", "-w", "1", "-I", "eth0",
                "\(address)",
            ])
        // Unicast reply from 10.0.0.10 [AA:BB:CC:DD:EE:FF]  0.6ms
        var cards: Set<String> = []
        for line in output.split(separator: "\n") where line.contains(" reply from ") {
            if let open = line.firstIndex(of: "["), let close = line.firstIndex(of: "]"), open < close {
                cards.insert(line[line.index(after: open)..<close].lowercased())
            }
        }
        return cards
    }

    /// The address of a host's network card.
    package func card(of host: Host) throws(LabError) -> String {
        let text = try bench.succeed(["ip", "-n", host.namespace, "-j", "link", "show", "eth0"])
        guard let json = try? JSON(parsing: text), let card = json.array?.first?["address"]?.string else {
            throw LabError("ip does not say the address of \(host.name)'s card")
        }
        return card
    }

    /// Bytes a host's card has received so far.
    package func received(by host: Host) throws(LabError) -> Int64 {
        let text = try bench.succeed(["ip", "-n", host.namespace, "-s", "-j", "link", "show", "eth0"])
        guard let link = (try? JSON(parsing: text))?.array?.first, let bytes = link["stats64"]?["rx"]?["bytes"]?.integer
        else { throw LabError("ip does not say what \(host.name) received") }
        return bytes
    }

    /// Whether the kernel of `host` has the address on `eth0`.
    package func holds(_ host: Host, _ address: IPAddress) throws(LabError) -> Bool {
        let text = try bench.succeed(["ip", "-n", host.namespace, "-o", "address", "show", "dev", "eth0"])
        return text.contains(" \(address)/")
    }

    /// The processes in a host's namespace.
    package func processes(on host: Host) throws(LabError) -> [Int32] {
        try bench.succeed(["ip", "netns", "pids", host.namespace]).split(separator: "\n").compactMap { Int32($0) }
    }

    // MARK: Capture and end

    /// Keeps what passes the bridge in a file of the lab's directory, the last 64 MB of it.
    func capture() throws(LabError) -> Program {
        try bench.start(
            [
                "ip", "netns", "exec", bridge, "tcpdump", "-i", "br0", "-n", "-U", "-s", "200", "-C", "32", "-W", "2",
                "-Z", "root", "-w", "\(bench.directory)/bridge.pcap",
            ], log: "tcpdump.log")
    }

    /// How often those who are still in a namespace are killed.
    private static let mostKills = 50

    /// Ends every process in the lab's namespaces and removes them.
    static func remove(prefix: String, _ bench: Workbench) throws(LabError) {
        let names = (try? FileTree.list("/run/netns")) ?? []
        let own = names.filter { $0.hasPrefix(prefix) }
        for name in own {
            // Who is killed may be followed by another, until nobody is left who would.
            for _ in 0..<mostKills {
                let text = try bench.run(["ip", "netns", "pids", name]).output
                let left = text.split(separator: "\n").compactMap { Int32($0) }
                if left.isEmpty { break }
                for process in left { _ = kill(process, SIGKILL) }
                ProcessSelf.pause(.milliseconds(20))
            }
        }
        for name in own { try bench.run(["ip", "netns", "delete", name]) }
    }
}
