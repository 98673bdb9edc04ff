// How many ports a connection of ours can come from.

import Wire

/// The kernel's range of ports for connections that do not name one.
package enum LocalPorts {
    /// What is assumed when the kernel does not tell: its own default, 32768 to 60999.
    package static let usual = 28_232

    /// How many there are in this network namespace now (`net.ipv4.ip_local_port_range`; IPv6 uses it too).
    package static var count: Int {
        guard let bytes = try? File.read("/proc/sys/net/ipv4/ip_local_port_range", limit: 128) else { return usual }
        let numbers = String(decoding: bytes, as: UTF8.self).split { !("0"..."9").contains($0) }.compactMap { Int($0) }
        guard numbers.count == 2, numbers[0] <= numbers[1] else { return usual }
        return numbers[1] - numbers[0] + 1
    }
}
