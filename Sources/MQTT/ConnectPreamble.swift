// Protocol name, level and flags: the part of CONNECT that can be judged before the rest arrives.

/// The beginning of a CONNECT's variable header, up to its connect flags (MQTT 5.0, 3.1.2.1 to 3.1.2.3).
struct ConnectPreamble: Sendable, BitwiseCopyable {
    let version: ProtocolVersion
    /// The level as it was sent, bridge bit and all.
    let level: UInt8
    let flags: UInt8
    /// Where the level stands in the packet.
    let levelOffset: Int

    var isBridge: Bool { level & ConnectFlags.bridgeLevel != 0 }

    private static let names: [[UInt8]] = [Array("\0\u{4}MQTT".utf8), Array("\0\u{6}MQIsdp".utf8)]

    /// Reads the preamble of the packet with `header`; nil when bytes are missing that may still make it right.
    static func read(_ received: Span<UInt8>, _ header: FixedHeader) throws(Refusal) -> ConnectPreamble? {
        let start = header.length
        let there = min(received.count, header.packetLength) - start
        // Judged in the order of the bytes, so that the verdict does not depend on how many have come. First what
        // the length alone tells: even the shorter name, level and flags would not fit.
        guard header.remainingLength >= 8 else { throw Refusal(.truncated) }
        // The first two bytes, the name's length, choose between the two names.
        let name = names.first { starts(received, start, with: $0, min(there, 2)) }
        guard let name else { throw Refusal(.protocolName) }
        guard header.remainingLength >= name.count + 2 else { throw Refusal(.truncated) }
        guard starts(received, start, with: name, min(there, name.count)) else { throw Refusal(.protocolName) }
        let levelOffset = start + name.count
        guard received.count > levelOffset else { return nil }
        let level = received[levelOffset]
        guard let version = ProtocolVersion(rawValue: level & ~ConnectFlags.bridgeLevel),
            version.protocolName.utf8.count + 2 == name.count
        else { throw Refusal(.protocolVersion, level: level) }
        guard received.count > levelOffset + 1 else { return nil }
        return ConnectPreamble(
            version: version, level: level, flags: received[levelOffset + 1], levelOffset: levelOffset)
    }

    /// Whether the bytes from `start` on begin with the first `count` bytes of `name`.
    private static func starts(_ bytes: Span<UInt8>, _ start: Int, with name: [UInt8], _ count: Int) -> Bool {
        (0..<count).allSatisfy { bytes[start + $0] == name[$0] }
    }

    /// The length of the stream at which there is more to judge, when so far `count` bytes were not enough.
    ///
    /// One more byte: a wrong name should be refused with its first wrong byte, not held until eight have come.
    static func nextLength(_ count: Int, _ header: FixedHeader) -> Int { max(count, header.length) + 1 }
}
