// PROXY headers as chance makes them: valid ones of every kind, and spoilt ones.

import Wire

/// A header and what kind it is meant to be.
struct GeneratedHeader {
    let kind: String
    let bytes: [UInt8]

    static func make(_ random: inout SeededGenerator) -> GeneratedHeader {
        let valid = Int.random(in: 0..<2, using: &random) == 0 ? line(&random) : binary(&random)
        guard Int.random(in: 0..<5, using: &random) < 2 else { return valid }
        return spoil(valid, &random)
    }

    private static func v4(_ random: inout SeededGenerator) -> [UInt8] {
        (0..<4).map { _ in UInt8.random(in: 1...254, using: &random) }
    }

    private static func v6(_ random: inout SeededGenerator) -> [UInt8] {
        [0x20, 1, 0x0D, 0xB8] + (0..<12).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private static func line(_ random: inout SeededGenerator) -> GeneratedHeader {
        func text(_ random: inout SeededGenerator, _ isV6: Bool) -> String {
            isV6 ? "\(IPAddress.v6(IPv6Address(octets: v6(&random))))" : v4(&random).map { "\($0)" }.joined(separator: ".")
        }
        let ports = (0..<2).map { _ in UInt16.random(in: 0...65535, using: &random) }
        let family = ["TCP4", "TCP6", "UNKNOWN", "UNKNOWN+"].randomElement(using: &random) ?? ""
        if family == "UNKNOWN" { return GeneratedHeader(kind: "v1 UNKNOWN", bytes: id("PROXY UNKNOWN\r\n")) }
        let isV6 = family != "TCP4"
        let words = "\(text(&random, isV6)) \(text(&random, isV6)) \(ports[0]) \(ports[1])"
        let name = family == "UNKNOWN+" ? "UNKNOWN" : family
        return GeneratedHeader(kind: "v1 \(family)", bytes: id("PROXY \(name) \(words)\r\n"))
    }

    private static func binary(_ random: inout SeededGenerator) -> GeneratedHeader {
        let family = ([0x00, 0x11, 0x11, 0x11, 0x12, 0x21, 0x21, 0x21, 0x22, 0x31, 0x32] as [UInt8])
            .randomElement(using: &random) ?? 0
        let isLocal = Int.random(in: 0..<6, using: &random) == 0
        let ports = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
        var body: [UInt8] =
            switch family >> 4 {
            case 1: v4(&random) + v4(&random) + ports
            case 2: v6(&random) + v6(&random) + ports
            case 3: (0..<216).map { $0 % 108 < 12 ? 0x61 : 0 }
            default: []
            }
        let hasTLVs = Int.random(in: 0..<2, using: &random) == 0
        if hasTLVs {
            let choices: [[UInt8]] = [
                Header.tlv(1, id("mqtt")), Header.tlv(2, id("broker.example")), Header.tlv(4, [0, 0, 0]),
                Header.tlv(5, [1, 2, 3, 4]), Header.ssl(id("meter-7")), Header.tlv(0xEA, [1, 2]),
                Header.tlv(0xE0, id("ours")),
            ]
            for choice in choices where Bool.random(using: &random) { body += choice }
        }
        let start: [UInt8] = [isLocal ? 0x20 : 0x21, family]
        let isChecked = !isLocal && hasTLVs && Bool.random(using: &random)
        if isChecked {
            var whole = Header.v2(start, body + Header.tlv(3, [0, 0, 0, 0]))
            let sum = CRC32.checksum(whole.span, .castagnoli)
            for place in 0..<4 { whole[whole.count - 4 + place] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * place)) }
            return GeneratedHeader(kind: "v2 \(String(family, radix: 16)) checked", bytes: whole)
        }
        return GeneratedHeader(
            kind: "v2 \(String(family, radix: 16))\(isLocal ? " LOCAL" : "")\(body.isEmpty ? "" : " body")",
            bytes: Header.v2(start, body))
    }

    private static func spoil(_ header: GeneratedHeader, _ random: inout SeededGenerator) -> GeneratedHeader {
        var bytes = header.bytes
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let way: String
        switch Int.random(in: 0..<5, using: &random) {
        case 0:
            way = "cut"
            bytes.removeLast(bytes.count - place)
        case 1:
            way = "a byte more"
            bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 2:
            way = "a byte less"
            bytes.remove(at: place)
        case 3 where bytes[0] == 0x50:
            way = "a digit more"
            bytes.insert(UInt8.random(in: 0x30...0x39, using: &random), at: max(11, place))
        default:
            way = "another byte"
            bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        return GeneratedHeader(kind: "\(header.kind), \(way)", bytes: bytes)
    }
}
