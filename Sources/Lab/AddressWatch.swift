// Who held the virtual address, and when: told by the kernels of both hosts as it happens.

import Glibc
import Linux
package import Wire

/// Follows `ip monitor address` on several hosts.
package final class AddressWatch {
    /// One host took or lost the address.
    package struct Change: Hashable, Sendable {
        package let time: Instant
        package let host: String
        package let holds: Bool
    }

    /// Most changes kept.
    private static let maximumChanges = 100_000

    package private(set) var changes: [Change] = []
    /// Who has the address now, as far as the kernels told.
    package private(set) var holders: Set<String> = []
    private var monitors: [Program] = []

    init(_ bench: Workbench, _ network: LabNetwork, hosts: [Host]) throws(LabError) {
        let needle = " \(LabNetwork.virtualAddress)/"
        for host in hosts {
            let name = host.name
            var watching = false
            let monitor = try bench.start(["ip", "-n", host.namespace, "-o", "monitor", "address"]) {
                [weak self] line in
                if line.contains(" 192.0.2.254/") { watching = true }
                guard let self, line.contains(needle), changes.count < Self.maximumChanges else { return }
                note(name, holds: !line.hasPrefix("Deleted"))
            }
            monitors.append(monitor)
            // A change of our own shows that the monitor listens; nothing that follows is missed.
            for _ in 0..<50 where !watching {
                try bench.run(["ip", "-n", host.namespace, "address", "replace", "192.0.2.254/32", "dev", "lo"])
                try bench.run(["ip", "-n", host.namespace, "address", "del", "192.0.2.254/32", "dev", "lo"])
                _ = try bench.wait(for: .milliseconds(20)) { watching }
            }
            guard watching else { throw LabError("ip monitor on \(name) says nothing") }
            if try network.holds(host, LabNetwork.virtualAddress) {
                note(name, holds: true)
            }
        }
    }

    /// A host that renews the lifetime of its address, as it does every second, takes nothing.
    private func note(_ host: String, holds: Bool) {
        guard holds != holders.contains(host) else { return }
        if holds { holders.insert(host) } else { holders.remove(host) }
        changes.append(Change(time: Clock.now, host: host, holds: holds))
    }

    /// For how long, from `start` on, more than one host had the address.
    package func overlap(since start: Instant, until end: Instant) -> Duration {
        var holders: Set<String> = []
        var total: Duration = .zero
        var last = start
        for change in changes where change.time <= end {
            if holders.count > 1, change.time > last { total += change.time - last }
            last = max(last, change.time)
            if change.holds { holders.insert(change.host) } else { holders.remove(change.host) }
        }
        if holders.count > 1, end > last { total += end - last }
        return total
    }

    /// For how long, from `start` on, no host had the address.
    package func vacancy(since start: Instant, until end: Instant) -> Duration {
        var holders: Set<String> = []
        var total: Duration = .zero
        var last = start
        for change in changes where change.time <= end {
            if holders.isEmpty, change.time > last { total += change.time - last }
            last = max(last, change.time)
            if change.holds { holders.insert(change.host) } else { holders.remove(change.host) }
        }
        if holders.isEmpty, end > last { total += end - last }
        return total
    }

    func stop() { for monitor in monitors { monitor.signal(SIGKILL) } }
}
