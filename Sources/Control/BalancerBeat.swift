// What the balancer tells `vip` many times a second over their direct link.

import Wire

/// The balancer's sign of life, and what `vip` must know of it to hold the address or let go of it.
///
/// Sent every ``ChildProcess/linkBeatInterval`` over the direct link, so that tracking works while the supervisor is busy,
/// and at once when something changes. Form: version 1, flags, sessions (8 octets), usable servers (4 octets).
package struct BalancerBeat: ControlMessage, Hashable {
    private static let version: UInt8 = 1

    /// Every loop turns and accepts: a client that connects now is served.
    package var serving: Bool
    /// The first round of health checks has ended: the servers are known, so taking the address is safe.
    package var settled: Bool
    /// The stick tables agree with the peer's, or there is no peer to agree with.
    package var inSync: Bool
    /// The pair link to the other host is up and authenticated.
    package var peerLinked: Bool
    /// Client sessions at this time.
    package var sessions: UInt64
    /// Servers that would get a new session now, over all backends.
    package var usableServers: UInt32

    package init(
        serving: Bool, settled: Bool, inSync: Bool, peerLinked: Bool, sessions: UInt64, usableServers: UInt32
    ) {
        self.serving = serving
        self.settled = settled
        self.inSync = inSync
        self.peerLinked = peerLinked
        self.sessions = sessions
        self.usableServers = usableServers
    }

    package var descriptorCount: Int { 0 }

    package func write(into bytes: inout [UInt8]) {
        bytes.append(Self.version)
        bytes.append((serving ? 1 : 0) | (settled ? 2 : 0) | (inSync ? 4 : 0) | (peerLinked ? 8 : 0))
        bytes.append(bigEndian: sessions)
        bytes.append(bigEndian: usableServers)
    }

    package init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        guard bytes.count == 14 else { throw MalformedMessage("a beat of \(bytes.count) octets") }
        guard bytes[0] == Self.version else { throw MalformedMessage("a beat of version \(bytes[0])") }
        let flags = bytes[1]
        guard flags & 0xF0 == 0 else { throw MalformedMessage("a beat with unknown flags") }
        var reader = ByteReader(bytes)
        do {
            try reader.skip(2)
            sessions = try reader.u64()
            usableServers = try reader.u32()
        } catch {
            throw MalformedMessage("the beat ends early")
        }
        serving = flags & 1 != 0
        settled = flags & 2 != 0
        inSync = flags & 4 != 0
        peerLinked = flags & 8 != 0
    }
}
