// Bytes written as hex, and frames fed in every way a network may cut them.

import Testing
import WebSocket
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

/// Everything a stream of frames said.
struct Heard: Equatable {
    var data: [UInt8] = []
    var pings: [[UInt8]] = []
    var pongs = 0
    var close: [UInt8]?
    var violation: FrameViolation?
    /// Nothing is open at the end.
    var isWhole = true
}

/// Reads `stream` in pieces of the sizes that `size` gives.
func hear(_ stream: [UInt8], _ policy: FramePolicy, size: () -> Int) -> Heard {
    var reader = FrameReader(policy: policy)
    var heard = Heard()
    var start = 0
    while start < stream.count {
        let end = min(stream.count, start + max(1, size()))
        var piece = Array(stream[start..<end])
        start = end
        var offset = 0
        while offset < piece.count {
            do throws(FrameViolation) {
                var span = piece.mutableSpan
                let step = try reader.next(&span, from: offset)
                switch step.event {
                case .needMore: break
                case .data(let range): heard.data += piece[range]
                case .ping(let frame): heard.pings.append(frame.payload)
                case .pong: heard.pongs += 1
                case .close(let frame): heard.close = frame.payload
                }
                guard step.end > offset else {
                    Issue.record("no advance at \(offset)")
                    return heard
                }
                offset = step.end
            } catch {
                heard.violation = error
                return heard
            }
        }
    }
    heard.isWhole = reader.isBetweenMessages
    return heard
}

/// Reads `stream` whole, byte by byte and in random pieces, demands the same, and returns it.
func hearAnyCut(
    _ stream: [UInt8], _ policy: FramePolicy, _ location: SourceLocation = #_sourceLocation
) -> Heard {
    let whole = hear(stream, policy) { stream.count }
    #expect(hear(stream, policy) { 1 } == whole, sourceLocation: location)
    var random = SeededGenerator(seed: UInt64(stream.count))
    for _ in 0..<3 {
        #expect(hear(stream, policy) { Int.random(in: 1...9, using: &random) } == whole, sourceLocation: location)
    }
    return whole
}

let fromClient = FramePolicy(isPeerClient: true)
let fromServer = FramePolicy(isPeerClient: false)
