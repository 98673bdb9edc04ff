// Names what arrives at an MQTT port and is not a CONNECT.

/// Recognises other protocols by their first bytes, so that logs and counters can name them.
enum ForeignTraffic {
    /// What the first bytes are.
    enum Finding: Equatable {
        /// So far the beginning of something known; one byte more may tell.
        case undecided
        case refused(Refusal)
    }

    private static let signatures: [(Violation, [UInt8])] =
        ["GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "DELETE ", "PATCH ", "TRACE ", "CONNECT ", "PRI * HTTP/2"]
        .map { (.httpRequest, Array($0.utf8)) } + [
            (.sshBanner, Array("SSH-".utf8)),
            (.proxyHeaderV1, Array("PROXY ".utf8)),
            (.proxyHeaderV2, [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]),
            (.amqpHeader, Array("AMQP".utf8)),
            // A handshake record, version 3.x. As a CONNECT it would have three bytes: too few for any.
            (.tlsClientHello, [0x16, 0x03]),
        ]

    /// Names bytes (at least one) whose first cannot begin a CONNECT, or that are the beginning of a TLS handshake.
    static func classify(_ received: Span<UInt8>) -> Finding {
        var isUndecided = false
        for (violation, signature) in signatures {
            let common = min(signature.count, received.count)
            guard (0..<common).allSatisfy({ received[$0] == signature[$0] }) else { continue }
            guard common == signature.count else {
                isUndecided = true
                continue
            }
            let isUpgrade = violation == .httpRequest && mentionsWebSocket(received)
            return .refused(Refusal(isUpgrade ? .webSocketUpgrade : violation))
        }
        if isUndecided { return .undecided }
        if let packet = PacketType(firstByte: received[0]), packet != .connect {
            return .refused(Refusal(.firstPacketNotConnect, packet: packet))
        }
        return .refused(Refusal(.notMQTT))
    }

    /// Whether `websocket` stands in the first 2 KiB of what has arrived; a request that arrives in pieces counts as
    /// plain HTTP, since waiting for its end would only serve its name.
    private static func mentionsWebSocket(_ received: Span<UInt8>) -> Bool {
        let word = Array("websocket".utf8)
        let end = min(received.count, 2048) - word.count
        guard end >= 0 else { return false }
        for start in 0...end where word.indices.allSatisfy({ received[start + $0] | 0x20 == word[$0] }) {
            return true
        }
        return false
    }
}
