// Bytes written as hex, and the three ways a stream is fed to a parser.

import MQTT
import Testing
import Wire

/// Bytes written as hex digits; spaces are for the reader, `'text'` stands for its bytes.
func hex(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, part) in text.split(separator: "'", omittingEmptySubsequences: false).enumerated() {
        if index % 2 == 1 {
            bytes += part.utf8
            continue
        }
        let digits = part.filter { $0 != " " }.compactMap(\.hexDigitValue)
        for pair in stride(from: 0, to: digits.count, by: 2) {
            bytes.append(UInt8(digits[pair] << 4 | digits[pair + 1]))
        }
    }
    return bytes
}

/// A packet with first byte `first` around `body`.
func packet(_ first: UInt8, _ body: [UInt8]) -> [UInt8] {
    var bytes = [first]
    VariableByteInteger.append(body.count, to: &bytes)
    return bytes + body
}

/// A stream of `count` packets with random bodies, and the offsets before the first and behind each.
func packetStream(_ random: inout SeededGenerator, _ count: Int) -> ([UInt8], [Int]) {
    var bytes: [UInt8] = []
    var boundaries = [0]
    for _ in 0..<count {
        let sizes = [0, 1, 2, 127, 128, 129, 300, 16_383, 16_384]
        let body = [UInt8](repeating: 0xFF, count: sizes[Int.random(in: 0..<sizes.count, using: &random)])
        bytes += packet(UInt8.random(in: 0x10...0xFF, using: &random), body)
        boundaries.append(bytes.count)
    }
    return (bytes, boundaries)
}

/// What a sniffer says about the first `count` bytes (all, when nil).
func sniff(
    _ bytes: [UInt8], first count: Int? = nil, policy: ConnectPolicy = ConnectPolicy()
) -> Result<ConnectSniffer.Outcome, Refusal> {
    let sniffer = ConnectSniffer(policy: policy)
    let part = bytes.span.extracting(0..<(count ?? bytes.count))
    do { return .success(try sniffer.sniff(part)) } catch { return .failure(error) }
}

/// Feeds `bytes` whole and byte by byte, demands the same end, and returns it.
func sniffAnyChunking(
    _ bytes: [UInt8], policy: ConnectPolicy = ConnectPolicy(), _ location: SourceLocation = #_sourceLocation
) -> Result<ConnectSniffer.Outcome, Violation> {
    let whole = sniff(bytes, policy: policy).mapError(\.violation)
    var promised = 0
    for count in 0...bytes.count {
        let next = sniff(bytes, first: count, policy: policy)
        let isEarly = count < promised
        switch next {
        case .success(.needMore(let atLeast)):
            promised = max(promised, atLeast)
            #expect(atLeast > count, "needMore must ask for more than it has", sourceLocation: location)
        case .success(let outcome):
            #expect(!isEarly && whole == .success(outcome), "at byte \(count)", sourceLocation: location)
            return whole
        case .failure(let refusal):
            #expect(!isEarly && whole == .failure(refusal.violation), "at byte \(count)", sourceLocation: location)
            return whole
        }
    }
    return whole
}

/// The CONNECT in `bytes`; nil when there is none.
func acceptedConnect(in bytes: [UInt8]) -> Connect? {
    guard case .success(.connect(let connect, _)) = sniff(bytes) else { return nil }
    return connect
}

/// What a packet reader says about `bytes`.
func read(_ bytes: [UInt8], _ version: ProtocolVersion) -> Result<Packet.Outcome, Violation> {
    do throws(Violation) { return .success(try Packet.read(bytes.span, version: version)) } catch {
        return .failure(error)
    }
}

/// What the CONNACK reader says about `bytes`.
func readConnack(_ bytes: [UInt8], _ version: ProtocolVersion) -> Result<Connack.Outcome, Violation> {
    do throws(Violation) { return .success(try Connack.read(bytes.span, version: version)) } catch {
        return .failure(error)
    }
}
