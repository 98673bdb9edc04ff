// What a driver does with advertisements: seals and sends its own, checks and counts those of others.

import Glibc
import Linux
import Telemetry
import VRRP
import Wire

extension RouterDriver {
    /// A router identifier on this link that is none of this host's.
    struct StrangerID {
        var count: UInt64 = 0
        var from: IPAddress
        var at: Instant
    }

    /// The wall clock as authentication wants it.
    private static var wall: Duration { .microseconds(Clock.wallMicroseconds) }

    // MARK: Sending

    func advertise(_ priority: UInt8) {
        guard let socket, let source = router.source else { return waiting.append(.sendFailed(errno: ENOTCONN)) }
        if priority > 0 { showPresence(from: source) }
        let advertisement = router.advertisement(priority: priority)
        let group = plan.identity.family == .ipv4 ? Advertisement.ipv4Group : Advertisement.ipv6Group
        for destination in plan.settings.peers.isEmpty ? [group] : plan.settings.peers {
            guard let bytes = sealed(advertisement, from: source, to: destination) else {
                // No errno: the library failed. What is not sealed is not sent.
                waiting.append(.sendFailed(errno: EKEYREJECTED))
                continue
            }
            do throws(Errno) {
                try socket.send(bytes, from: source, to: destination)
            } catch {
                waiting.append(.sendFailed(errno: error.code))
            }
        }
        if priority > 0 { onAdvertisement() }
    }

    private func sealed(_ advertisement: Advertisement, from source: IPAddress, to destination: IPAddress) -> [UInt8]? {
        let checksum = plan.settings.checksum
        guard authentication != nil else {
            return advertisement.write(from: source, to: destination, checksum: checksum)
        }
        return authentication?.write(
            advertisement, from: source, to: destination, checksum: checksum, wall: Self.wall,
            with: LibraryAuthenticator())
    }

    // MARK: Receiving

    /// Reads what is here, so that time is judged by what has arrived, also behind many packets of others.
    func receiveAll() {
        for _ in 0..<Self.turnsBeforeJudgement where !receive() { return }
        unreadJudgements += 1
    }

    /// - Returns: whether more may be waiting.
    @discardableResult
    func receive() -> Bool {
        guard let socket else { return false }
        var senseless = 0
        var packets: [AdvertisementSocket.Packet] = []
        do throws(Errno) {
            senseless = try socket.drain(limit: Self.advertisementsPerTurn) { packets.append($0) }
        } catch {
            // ENETDOWN and its like: the kernel tells about the link itself.
            around.log.debug("Advertisements cannot be read.", ["router": name, "error": error])
        }
        senselessPackets += UInt64(senseless)
        for packet in packets { take(packet) }
        return packets.count + senseless >= Self.advertisementsPerTurn
    }

    private func take(_ packet: AdvertisementSocket.Packet) {
        if let id = Advertisement.routerID(of: packet.payload.span), id != plan.identity.routerID {
            // Our own other routers have sockets of their own; whose others are is worth knowing.
            if isSibling(id) { return }
            strangers[id, default: StrangerID(from: packet.source, at: .zero)].count += 1
            strangers[id]?.from = packet.source
            strangers[id]?.at = Clock.now
            return feed(.refused(.otherRouterID, from: packet.source))
        }
        do throws(Advertisement.Discard) {
            let advertisement = try read(packet)
            // A peer is active: no reason to wait any longer with the addresses of a predecessor.
            if advertisement.priority > 0, plan.settings.peers.isEmpty || plan.settings.peers.contains(packet.source) {
                startOnNews()
            }
            feed(.received(advertisement, from: packet.source, to: packet.destination))
        } catch {
            feed(.refused(error, from: packet.source))
            guard error.isUnverified, authentication?.hasVerified(packet.source) == false else { return }
            feed(.unverified(from: packet.source))
        }
    }

    private func read(_ packet: AdvertisementSocket.Packet) throws(Advertisement.Discard) -> Advertisement {
        guard var value = authentication else {
            return try Advertisement(
                parsing: packet.payload.span, from: packet.source, to: packet.destination, hopLimit: packet.hopLimit,
                ignoresTrailer: true)
        }
        // Before a key is tried: a stranger must not make us compute, nor push a peer out of the table of senders.
        if !plan.settings.peers.isEmpty, !plan.settings.peers.contains(packet.source), packet.source != router.source {
            throw .notAPeer
        }
        defer { authentication = value }
        return try value.read(
            packet.payload.span, from: packet.source, to: packet.destination, hopLimit: packet.hopLimit,
            wall: Self.wall, with: LibraryAuthenticator())
    }
}
