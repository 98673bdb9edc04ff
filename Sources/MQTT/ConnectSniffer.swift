// Looks at a connection's first bytes until they are a CONNECT, or cannot become one.

/// Finds the CONNECT at the beginning of a stream, whatever pieces it arrives in.
///
/// It holds no state besides its policy: each call is given everything received so far. A call before the packet is
/// whole looks at no more than its first 15 bytes, the one that finds it whole parses it once; so the cost is linear
/// also when the bytes come singly. Every refusal comes with the first byte that makes a CONNECT impossible (or, for
/// the rules about its fields, with the packet's last byte), and is the same for any chunking.
package struct ConnectSniffer: Sendable, BitwiseCopyable {
    /// What the bytes received so far are.
    package enum Outcome: Equatable, Sendable {
        /// Nothing new can be said before this many bytes of the stream are there, counted from its first.
        case needMore(atLeast: Int)
        /// A valid CONNECT in the first `length` bytes; what follows it is not looked at.
        case connect(Connect, length: Int)
    }

    package let policy: ConnectPolicy

    package init(policy: ConnectPolicy = ConnectPolicy()) { self.policy = policy }

    /// Looks at `received`, the stream from its first byte.
    ///
    /// - Throws: ``Refusal`` when it is not, and cannot become, an acceptable CONNECT.
    package func sniff(_ received: Span<UInt8>) throws(Refusal) -> Outcome {
        guard received.count >= 1 else { return .needMore(atLeast: 1) }
        let isHandshake = received[0] == 0x16 && received.count >= 2 && received[1] == 0x03
        if received[0] >> 4 != PacketType.connect.rawValue || isHandshake {
            switch ForeignTraffic.classify(received) {
            case .undecided: return .needMore(atLeast: received.count + 1)
            case .refused(let refusal): throw refusal
            }
        }
        let header: FixedHeader
        do {
            guard let found = try FixedHeader.read(received) else { return .needMore(atLeast: received.count + 1) }
            header = found
        } catch {
            throw Refusal(error)
        }
        if header.packetLength > policy.maximumLength {
            throw Refusal(.packetTooLarge, version: knownVersion(received, header))
        }
        guard let preamble = try ConnectPreamble.read(received, header) else {
            return .needMore(atLeast: ConnectPreamble.nextLength(received.count, header))
        }
        try check(preamble, header)
        guard received.count >= header.packetLength else { return .needMore(atLeast: header.packetLength) }
        do {
            let connect = try Connect(received, header, preamble, text: policy.text)
            return .connect(connect, length: header.packetLength)
        } catch {
            throw Refusal(error, version: preamble.version, level: preamble.level)
        }
    }

    /// The rules about the first bytes that need the version to be judged.
    private func check(_ preamble: ConnectPreamble, _ header: FixedHeader) throws(Refusal) {
        let violation: Violation?
        if preamble.version != .v31, header.firstByte & 0x0F != 0 {
            // MQTT 3.1 puts DUP, QoS and RETAIN there "not used in CONNECT"; mosquitto ignores them too.
            violation = .fixedHeaderFlags
        } else if preamble.version == .v5, !header.isMinimal {
            violation = .remainingLength
        } else if preamble.isBridge, !policy.acceptsBridges {
            violation = .bridgeNotAllowed
        } else {
            violation = ConnectFlags.violation(preamble.flags, preamble.version)
        }
        if let violation { throw Refusal(violation, version: preamble.version, level: preamble.level) }
    }

    /// The version, if the bytes that have come already tell it.
    private func knownVersion(_ received: Span<UInt8>, _ header: FixedHeader) -> ProtocolVersion? {
        do { return try ConnectPreamble.read(received, header)?.version } catch { return nil }
    }
}
