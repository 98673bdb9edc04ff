// What devices and servers send.

import MQTT
import Wire

extension FuzzTarget {
    private static let protocolWords: [[UInt8]] = [
        [0x10], [0x20, 0x02], [0x00, 0x04] + Array("MQTT".utf8), [0x00, 0x06] + Array("MQIsdp".utf8), [3], [4], [5],
        [0x84], [0xC2], [0x26, 0, 1, 0x61, 0, 1, 0x62], [0x11, 0, 0, 0, 1], [0xFF, 0xFF, 0xFF, 0x7F],
        [0x80, 0x80, 0x80, 0x80], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0, 0], [0xFF, 0xFF],
    ]

    private static func sniff(_ bytes: Span<UInt8>) -> Result<ConnectSniffer.Outcome, Refusal> {
        do throws(Refusal) { return .success(try ConnectSniffer().sniff(bytes)) } catch { return .failure(error) }
    }

    /// Makes the remaining length fit, where it has one or two bytes.
    private static func measured(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 2 else { return bytes }
        let old = bytes[1] < 0x80 ? 2 : min(3, bytes.count)
        var length: [UInt8] = []
        VariableByteInteger.append(bytes.count - old, to: &length)
        return [bytes[0]] + length + bytes[old...]
    }

    /// The first bytes of a device.
    static let connect = FuzzTarget(name: "mqtt-connect", words: protocolWords, repair: measured) { bytes in
        let outcome = sniff(bytes.span)
        switch outcome {
        case .success(.needMore(let atLeast)):
            try demand(atLeast > bytes.count, "needMore asks for \(atLeast) of \(bytes.count)")
            return "more"
        case .success(.connect(let connect, let length)):
            try demand(length <= bytes.count, "a packet longer than its bytes")
            let ranges = [connect.clientID, connect.properties, connect.username, connect.password, connect.will?.topic]
            try demand(ranges.allSatisfy { ($0?.end ?? 0) <= length }, "a field outside of the packet")
            // Nothing is said of half of it, and the half asks for no more than there is.
            let half = sniff(bytes.span.extracting(0..<(length / 2)))
            guard case .success(.needMore(let atLeast)) = half else {
                throw FuzzFinding(description: "half of a CONNECT is \(half)")
            }
            try demand(atLeast <= length, "half of a CONNECT asks for \(atLeast) of \(length)")
            let copy = try ConnectDraft(connect, in: bytes.span).encode()
            guard case .success(.connect(let again, _)) = sniff(copy.span) else {
                throw FuzzFinding(description: "a CONNECT that was read is written as something else")
            }
            try demand(
                ConnectDraft(again, in: copy.span) == ConnectDraft(connect, in: bytes.span), "it is written otherwise")
            return "\(connect.version) \(connect.will != nil) \(connect.username != nil) \(connect.password != nil)"
        case .failure(let refusal):
            _ = refusal.connack
            return "\(refusal.violation)"
        }
    }

    /// Packets one after another, in 3.1.1 and in 5.0.
    static let packet = FuzzTarget(name: "mqtt-packets", words: protocolWords, repair: measured) { bytes in
        var outcome = ""
        for version in [ProtocolVersion.v311, .v5] {
            var rest = bytes
            reading: while !rest.isEmpty {
                let found: Packet.Outcome
                do throws(Violation) { found = try Packet.read(rest.span, version: version) } catch {
                    outcome += "\(error)"
                    break
                }
                switch found {
                case .needMore(let atLeast):
                    try demand(atLeast > rest.count, "needMore asks for \(atLeast) of \(rest.count)")
                    outcome += "more"
                    break reading
                case .packet(let packet, let length):
                    try demand((2...rest.count).contains(length), "a packet of \(length) of \(rest.count) bytes")
                    let written = try packet.encode(version: version)
                    let again = try? Packet.read(written.span, version: version)
                    guard case .packet(packet, _) = again else {
                        throw FuzzFinding(description: "\(packet) is written as \(String(describing: again))")
                    }
                    if outcome.utf8.count < 60 { outcome += "\(rest[0] >> 4) " }
                    rest.removeFirst(length)
                }
            }
            outcome += "/"
        }
        return outcome
    }

    /// Where a boundary stops before a DISCONNECT, whole and in pieces, and what that is.
    private static func stops(_ bytes: [UInt8]) throws -> String {
        var whole = PacketBoundary()
        whole.follow(bytes.span, at: 0, stopping: .disconnect)
        let rest = whole.unfollowed(to: UInt64(bytes.count))
        var pieces = PacketBoundary()
        var offset = 0
        while offset < bytes.count, pieces.unfollowed(to: UInt64(offset)) == 0 {
            let end = min(bytes.count, offset + 1 + Int(bytes[offset] & 7))
            pieces.follow(bytes.span.extracting(offset..<end), at: UInt64(offset), stopping: .disconnect)
            offset = end
        }
        try demand(
            whole.isMalformed || rest - (bytes.count - offset) == pieces.unfollowed(to: UInt64(offset)), "it stops \(rest) before the end")
        guard rest > 0 else { return "goes on" }
        let packet = Array(bytes[(bytes.count - rest)...])
        try demand(packet[0] >> 4 == 14, "it stops before \(packet[0])")
        let finding = Disconnect.find(packet.span, maximumLength: 1000)
        // More of it changes nothing once it is known.
        if finding != .needMore {
            try demand(Disconnect.find((packet + [0]).span, maximumLength: 1000) == finding, "another finding with more bytes")
        }
        return switch finding {
        case .needMore: "more"
        case .disconnect(_, let namesServer, _): "disconnect \(namesServer)"
        case .unreadable: "unreadable"
        }
    }

    /// Packet boundaries, whole and in pieces.
    static let boundary = FuzzTarget(name: "mqtt-boundary", words: protocolWords) { bytes in
        var whole = PacketBoundary()
        whole.follow(bytes.span, at: 0)
        var pieces = PacketBoundary()
        var offset = 0
        while offset < bytes.count {
            let end = min(bytes.count, offset + 1 + Int(bytes[offset] & 7))
            pieces.follow(bytes.span.extracting(offset..<end), at: UInt64(offset))
            // A successor follows what its predecessor followed.
            pieces.follow(bytes.span.extracting(offset..<end), at: UInt64(offset))
            offset = end
        }
        try demand(whole == pieces, "pieces end in \(pieces), the whole in \(whole)")
        let missing = whole.missing(at: UInt64(bytes.count))
        return "\(whole.isMalformed) \(missing.map { min($0, 9) } ?? -1) \(try stops(bytes))"
    }

    /// A CONNECT whose credentials are replaced.
    static let rewrite = FuzzTarget(name: "mqtt-rewrite", words: protocolWords, repair: measured) { bytes in
        guard case .success(.connect(let connect, _)) = sniff(bytes.span) else { return "none" }
        let name = Array("device-1".utf8)
        let rewrites = [
            ConnectRewrite(clientID: name), ConnectRewrite(username: .set(name), password: .remove),
            ConnectRewrite(clientID: name, username: .remove, password: .set(name)),
        ]
        var outcome = "\(connect.version)"
        for rewrite in rewrites {
            let written: [UInt8]
            do throws(ConnectRewrite.Refusal) { written = try rewrite.rewritten(connect, in: bytes.span) } catch {
                outcome += " \(error)"
                continue
            }
            guard case .success(.connect(let again, let length)) = sniff(written.span), length == written.count else {
                throw FuzzFinding(description: "a rewritten CONNECT is none any more: \(rewrite)")
            }
            try demand(
                rewrite.clientID == nil || again.clientID.bytes(in: written.span) == name, "the identifier is not set")
            try demand(again.keepAlive == connect.keepAlive, "the keep-alive changed")
            try demand(
                again.will?.payload.bytes(in: written.span) == connect.will?.payload.bytes(in: bytes.span),
                "the will changed")
            outcome += " done"
        }
        return outcome
    }

    /// The first bytes of a server.
    static let connack = FuzzTarget(name: "mqtt-connack", words: protocolWords, repair: measured) { bytes in
        var outcome = ""
        for version in [ProtocolVersion.v311, .v5] {
            do throws(Violation) {
                switch try Connack.read(bytes.span, version: version) {
                case .needMore(let atLeast): outcome += atLeast > bytes.count ? "more" : "BACK"
                case .connack(let connack, let length):
                    outcome += length <= bytes.count ? "\(connack.disposition) \(connack.sessionPresent)" : "BEYOND"
                case .authentication: outcome += "authentication"
                }
            } catch { outcome += "\(error)" }
            outcome += "/"
        }
        try demand(!outcome.contains("BACK") && !outcome.contains("BEYOND"), outcome)
        return outcome
    }
}
