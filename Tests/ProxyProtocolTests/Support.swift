// Bytes written as hex, and a header fed in every way a network may cut it.

import ProxyProtocol
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

let signature = hex("0D0A0D0A000D0A515549540A")

/// A header of version 2: `start` holds its 13th and 14th byte, the length is that of `body`.
func v2(_ start: String, _ body: [UInt8]) -> [UInt8] {
    signature + hex(start) + [UInt8(body.count >> 8), UInt8(body.count & 255)] + body
}

/// A TLV.
func tlv(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
    [type, UInt8(value.count >> 8), UInt8(value.count & 255)] + value
}

/// 192.0.2.1:56324 to 192.0.2.2:1883.
let addresses = hex("C0000201 C0000202 DC04 075B")

typealias Reading = Result<ProxyHeaderReader.Outcome, ProxyViolation>

func read(_ bytes: [UInt8], first count: Int? = nil, _ policy: ProxyPolicy = ProxyPolicy()) -> Reading {
    do throws(ProxyViolation) {
        return .success(
            try ProxyHeaderReader(policy: policy).read(bytes.span.extracting(0..<(count ?? bytes.count))))
    } catch {
        return .failure(error)
    }
}

/// Feeds `bytes` whole, byte by byte and glued to what a client may say, demands one verdict, and returns it.
func readAnyCut(
    _ bytes: [UInt8], _ policy: ProxyPolicy = ProxyPolicy(), _ location: SourceLocation = #_sourceLocation
) -> Reading {
    let whole = read(bytes, nil, policy)
    var promised = 0
    var verdict = whole
    for count in 0...bytes.count {
        let next = read(bytes, first: count, policy)
        if case .success(.needMore(let atLeast)) = next {
            #expect(atLeast > count, "must ask for more than it has", sourceLocation: location)
            promised = max(promised, atLeast)
            verdict = next
            continue
        }
        verdict = next
        if case .success(.header(let header)) = next {
            #expect(header.length == count && promised <= count, "at byte \(count)", sourceLocation: location)
            #expect(read(bytes + [0x10, 0x0D, 0x0A], nil, policy) == next, "glued", sourceLocation: location)
        }
        break
    }
    #expect(verdict == whole, sourceLocation: location)
    return whole
}

func read(_ bytes: [UInt8], _ count: Int?, _ policy: ProxyPolicy) -> Reading { read(bytes, first: count, policy) }

/// The header in `bytes`.
func header(in bytes: [UInt8], _ location: SourceLocation = #_sourceLocation) throws -> ProxyHeader {
    guard case .success(.header(let header)) = readAnyCut(bytes, ProxyPolicy(), location) else {
        throw NoHeader(reading: read(bytes))
    }
    return header
}

struct NoHeader: Error { let reading: Reading }

func socket(_ text: String, _ port: UInt16) throws -> SocketAddress {
    SocketAddress(try #require(IPAddress(text)), port: port)
}
