// What the test broker says to one client: bytes in, bytes out.

import MQTT

/// One client's side of a broker that keeps nothing: every CONNECT is welcome, QoS 1 is acknowledged, and a connection
/// that has subscribed to anything gets its own QoS 0 messages back. QoS 2 is refused.
///
/// Payloads are passed over and never kept, except where they are sent back.
package struct BrokerConversation: Sendable {
    /// Why the connection must end.
    package enum End: Error, Hashable, Sendable {
        /// DISCONNECT.
        case disconnected
        /// Something no client of this broker says.
        case unexpected
    }

    /// Longest packet that is kept whole: everything but a PUBLISH that is only counted.
    package static let maximumKept = 1 << 20

    /// The beginning of a packet, when one was cut off; at most ``maximumKept`` bytes and one receive.
    private var held: [UInt8] = []
    /// Bytes still to come of a PUBLISH that was dealt with.
    private var skipped = 0
    private var isConnected = false
    private var isEchoing = false
    private var version = ProtocolVersion.v311
    /// PUBLISH packets received.
    package private(set) var messages: UInt64 = 0

    package init() {}

    /// Takes the next bytes of the stream; `answers` grows by what is to be sent.
    package mutating func take(_ bytes: Span<UInt8>, answers: inout [UInt8]) throws(End) {
        var offset = min(skipped, bytes.count)
        skipped -= offset
        guard offset < bytes.count else { return }
        if held.isEmpty {
            offset = try walk(bytes, from: offset, &answers)
            guard offset < bytes.count else { return }
            held.reserveCapacity(bytes.count - offset)
            for index in offset..<bytes.count { held.append(bytes[index]) }
        } else {
            for index in offset..<bytes.count { held.append(bytes[index]) }
            let whole = held
            held = []
            let end = try walk(whole.span, from: 0, &answers)
            if end < whole.count { held = Array(whole[end...]) }
        }
        guard held.count <= Self.maximumKept else { throw .unexpected }
    }

    /// Answers packet after packet; where the first one begins that must wait for more.
    private mutating func walk(_ bytes: Span<UInt8>, from start: Int, _ answers: inout [UInt8]) throws(End) -> Int {
        var offset = start
        while offset < bytes.count {
            let rest = bytes.extracting(offset..<bytes.count)
            let header: FixedHeader
            do {
                guard let found = try FixedHeader.read(rest) else { return offset }
                header = found
            } catch {
                throw .unexpected
            }
            let isWhole = rest.count >= header.packetLength
            if header.firstByte >> 4 == PacketType.publish.rawValue, !(isEchoing && header.firstByte & 0x06 == 0) {
                guard try publish(rest, header, &answers) else { return offset }
            } else {
                guard header.packetLength <= Self.maximumKept else { throw .unexpected }
                guard isWhole else { return offset }
                try packet(rest.extracting(0..<header.packetLength), header, &answers)
            }
            skipped = max(0, header.packetLength - rest.count)
            offset += min(header.packetLength, rest.count)
        }
        return offset
    }

    /// A PUBLISH that is acknowledged or only counted; `false`: more of it is needed.
    private mutating func publish(_ rest: Span<UInt8>, _ header: FixedHeader, _ answers: inout [UInt8]) throws(End)
        -> Bool
    {
        guard isConnected else { throw .unexpected }
        switch header.firstByte >> 1 & 3 {
        case 0: break
        case 1:
            guard rest.count >= header.length + 2 else { return false }
            let place = header.length + 2 + (Int(rest[header.length]) << 8 | Int(rest[header.length + 1]))
            guard place + 2 <= header.packetLength else { throw .unexpected }
            guard rest.count >= place + 2 else { return false }
            answers += [0x40, 2, rest[place], rest[place + 1]]
        default: throw .unexpected
        }
        messages += 1
        return true
    }

    private mutating func packet(_ bytes: Span<UInt8>, _ header: FixedHeader, _ answers: inout [UInt8]) throws(End) {
        let type = PacketType(rawValue: header.firstByte >> 4)
        guard isConnected != (type == .connect) else { throw .unexpected }
        switch type {
        case .connect:
            guard case .connect(let connect, _)? = try? ConnectSniffer().sniff(bytes) else { throw .unexpected }
            version = connect.version
            isConnected = true
            guard let answer = try? ConnackDraft().encode(version: version) else { throw .unexpected }
            answers += answer
        case .publish:
            messages += 1
            for index in 0..<bytes.count { answers.append(bytes[index]) }
        case .subscribe:
            guard header.remainingLength >= 5 else { throw .unexpected }
            isEchoing = true
            answers += [0x90, version == .v5 ? 4 : 3, bytes[header.length], bytes[header.length + 1]]
            answers += version == .v5 ? [0, 0] : [0]
        case .pingreq: answers += [0xD0, 0]
        case .puback: break
        case .disconnect: throw .disconnected
        default: throw .unexpected
        }
    }
}
