// What the balancer tells `vip` many times a second over their direct link.

package import Wire

/// The balancer's sign of life, and what `vip` must know of it to hold the address or let go of it.
///
/// Sent every ``ChildProcess/linkBeatInterval`` over the direct link, so that tracking works while the supervisor is busy,
/// and at once when something changes. Form: version 2, flags, sessions (8 octets), usable servers (4 octets), number of
/// backends, for each its name and its usable servers (4 octets), then the peer's report: its number (8 octets), its age
/// in microseconds (8 octets), number of routers, and each ``RouterReport``.
package struct BalancerBeat: ControlMessage, Hashable {
    /// The usable servers of one backend.
    package struct Backend: Hashable, Sendable {
        package var name: String
        /// Servers that would get a new session now.
        package var usableServers: UInt32

        package init(name: String, usableServers: UInt32) {
            self.name = name
            self.usableServers = usableServers
        }
    }

    /// What the peer's `vip` last said about its routers.
    package struct PeerReport: Hashable, Sendable {
        /// Another one for each report; only good for telling them apart.
        package var number: UInt64
        /// How long ago it was said, as far as the two hosts know: time on the network is not in it. At most
        /// ``maximumAge``.
        package var age: Duration
        /// At most ``RouterReport/maximum``.
        package var routers: [RouterReport]

        /// What is older is not worth being told.
        package static let maximumAge = Duration.seconds(60)

        package init(number: UInt64, age: Duration, routers: [RouterReport]) {
            precondition(routers.count <= RouterReport.maximum, "\(routers.count) routers of the peer")
            self.number = number
            self.age = min(max(age, .zero), Self.maximumAge)
            self.routers = routers
        }
    }

    private static let version: UInt8 = 2
    /// Most backends told about: as many as a host can track.
    package static let maximumBackends = 255

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
    /// The backends that virtual routers track, at most ``maximumBackends``.
    package var backends: [Backend]
    /// What the peer last said over the pair link; `nil` while it is down or has said nothing.
    package var peer: PeerReport?
    /// No session is left on the addresses that are being handed over.
    package var drained: Bool

    package init(
        serving: Bool, settled: Bool, inSync: Bool, peerLinked: Bool, sessions: UInt64, usableServers: UInt32,
        backends: [Backend] = [], peer: PeerReport? = nil, drained: Bool = false
    ) {
        precondition(backends.count <= Self.maximumBackends, "\(backends.count) tracked backends")
        self.serving = serving
        self.settled = settled
        self.inSync = inSync
        self.peerLinked = peerLinked
        self.sessions = sessions
        self.usableServers = usableServers
        self.backends = backends
        self.peer = peer
        self.drained = drained
    }

    package var descriptorCount: Int { 0 }

    package func write(into bytes: inout [UInt8]) {
        bytes.append(Self.version)
        bytes.append(
            (serving ? 1 : 0) | (settled ? 2 : 0) | (inSync ? 4 : 0) | (peerLinked ? 8 : 0) | (peer == nil ? 0 : 16)
                | (drained ? 32 : 0))
        bytes.append(bigEndian: sessions)
        bytes.append(bigEndian: usableServers)
        bytes.append(UInt8(backends.count))
        for backend in backends {
            bytes.append(text: backend.name, limit: ControlLimits.name)
            bytes.append(bigEndian: backend.usableServers)
        }
        guard let peer else { return }
        bytes.append(bigEndian: peer.number)
        bytes.append(bigEndian: UInt64(clamping: peer.age.nanoseconds / 1000))
        bytes.append(UInt8(peer.routers.count))
        for router in peer.routers { router.write(into: &bytes) }
    }

    package init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        do {
            let version = try reader.u8()
            guard version == Self.version else { throw MalformedMessage("a beat of version \(version)") }
            let flags = try reader.u8()
            guard flags & 0xC0 == 0 else { throw MalformedMessage("a beat with unknown flags") }
            serving = flags & 1 != 0
            settled = flags & 2 != 0
            inSync = flags & 4 != 0
            peerLinked = flags & 8 != 0
            drained = flags & 32 != 0
            sessions = try reader.u64()
            usableServers = try reader.u32()
            backends = []
            for _ in 0..<(try reader.u8()) {
                let name = try reader.text(limit: ControlLimits.name)
                backends.append(Backend(name: name, usableServers: try reader.u32()))
            }
            peer = flags & 16 == 0 ? nil : try PeerReport(reading: &reader)
        } catch let error as MalformedMessage {
            throw error
        } catch {
            throw MalformedMessage("the beat ends early")
        }
        guard reader.isAtEnd else { throw MalformedMessage("something follows the beat") }
    }
}

extension BalancerBeat.PeerReport {
    fileprivate init(reading reader: inout ByteReader) throws {
        number = try reader.u64()
        let microseconds = try reader.u64()
        age = min(.microseconds(Int64(clamping: microseconds)), Self.maximumAge)
        routers = []
        let count = Int(try reader.u8())
        guard count <= RouterReport.maximum else { throw MalformedMessage("\(count) routers of the peer") }
        for _ in 0..<count { routers.append(try RouterReport(reading: &reader)) }
    }
}
