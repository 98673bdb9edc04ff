// The little of DNS that finds the addresses of a name.

/// A question for the addresses of one name, and the reading of its answer (RFC 1035, 4; RFC 3596).
package struct NameQuestion: Hashable, Sendable {
    /// What came of a question.
    package enum Answer: Hashable, Sendable {
        /// The addresses, each once, in the server's order; empty: the name has none of this family.
        case addresses([IPAddress])
        /// The name server refused or failed: the code of RFC 1035, 4.1.1; 3: there is no such name.
        case failed(code: UInt8)
        /// The answer was too long for a datagram (RFC 1035, 4.1.1: TC): what it holds tells nothing of what is missing.
        case truncated
    }

    private static let typeA: UInt16 = 1
    private static let typeAAAA: UInt16 = 28
    private static let classInternet: UInt16 = 1
    private static let headerLength = 12

    private let identifier: UInt16
    private let type: UInt16
    private let name: [UInt8]

    /// - Parameters:
    ///   - name: a host name, with or without the final dot.
    ///   - identifier: hard to guess, new for each question.
    /// - Returns: `nil` when the name is none (RFC 1035, 2.3.4).
    package init?(_ name: String, family: AddressFamily, identifier: UInt16) {
        self.identifier = identifier
        type = family == .ipv4 ? Self.typeA : Self.typeAAAA
        var bytes: [UInt8] = []
        let labels = (name.hasSuffix(".") ? name.dropLast() : name[...]).utf8.split(
            separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.count) else { return nil }
            bytes.append(UInt8(label.count))
            bytes += label
        }
        bytes.append(0)
        guard bytes.count <= 255 else { return nil }
        self.name = bytes
    }

    /// The question as a message, recursion desired.
    package var message: [UInt8] {
        var bytes: [UInt8] = []
        for word in [identifier, 0x0100, 1, 0, 0, 0] { bytes += [UInt8(word >> 8), UInt8(truncatingIfNeeded: word)] }
        return bytes + name + [UInt8(type >> 8), UInt8(truncatingIfNeeded: type), 0, UInt8(Self.classInternet)]
    }

    /// Reads a message from the name server.
    ///
    /// Aliases (CNAME) are followed by taking every address of the answer section: a resolver puts there what the name
    /// comes to and nothing else.
    ///
    /// - Returns: `nil` when it is no answer to this question, or a broken one, and another may still come.
    package func answer(_ message: [UInt8]) -> Answer? {
        guard message.count >= Self.headerLength, Self.word(message, 0) == identifier, let flags = Self.word(message, 2),
            flags & 0x8000 != 0, flags & 0x7800 == 0, Self.word(message, 4) == 1
        else { return nil }
        var place = Self.headerLength
        let question = name + [UInt8(type >> 8), UInt8(truncatingIfNeeded: type), 0, UInt8(Self.classInternet)]
        guard message.count >= place + question.count,
            zip(message[place...], question).allSatisfy({ Self.lowered($0) == Self.lowered($1) })
        else { return nil }
        let code = UInt8(flags & 0xF)
        guard code == 0 else { return .failed(code: code) }
        guard flags & 0x0200 == 0 else { return .truncated }
        place += question.count
        var addresses: [IPAddress] = []
        for _ in 0..<(Self.word(message, 6) ?? 0) {
            guard let fixed = Self.skipName(message, place), let recordType = Self.word(message, fixed),
                let recordClass = Self.word(message, fixed + 2), let length = Self.word(message, fixed + 8)
            else { return nil }
            let data = fixed + 10
            guard data + Int(length) <= message.count else { return nil }
            if recordClass == Self.classInternet, recordType == type {
                let octets = Array(message[data..<(data + Int(length))])
                let address: IPAddress? =
                    switch octets.count {
                    case 4: .v4(IPv4Address(octets[0], octets[1], octets[2], octets[3]))
                    case 16: .v6(IPv6Address(octets: octets))
                    default: nil
                    }
                if let address, !addresses.contains(address) { addresses.append(address) }
            }
            place = data + Int(length)
        }
        return .addresses(addresses)
    }

    private static func word(_ message: [UInt8], _ place: Int) -> UInt16? {
        guard place + 2 <= message.count else { return nil }
        return UInt16(message[place]) << 8 | UInt16(message[place + 1])
    }

    /// The place behind a name; a pointer ends it, and is not followed.
    private static func skipName(_ message: [UInt8], _ start: Int) -> Int? {
        var place = start
        while place < message.count {
            let length = message[place]
            if length == 0 { return place + 1 }
            if length & 0xC0 == 0xC0 { return place + 2 <= message.count ? place + 2 : nil }
            guard length & 0xC0 == 0 else { return nil }
            place += 1 + Int(length)
        }
        return nil
    }

    private static func lowered(_ byte: UInt8) -> UInt8 { 0x41...0x5A ~= byte ? byte + 0x20 : byte }
}
