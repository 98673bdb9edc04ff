// Text forms of addresses: strict parsing, canonical printing (RFC 5952).

extension IPv4Address: CustomStringConvertible {
    /// Parses dotted decimal: four numbers 0...255 without leading zeros; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let octet = Self.decimal(part) else { return nil }
            value = value << 8 | octet
        }
        self.init(value)
    }

    private static func decimal(_ digits: some Collection<UInt8>) -> UInt32? {
        guard (1...3).contains(digits.count), digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
        var value: UInt32 = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + UInt32(digit - 0x30)
        }
        return value <= 255 ? value : nil
    }

    package var description: String {
        "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }
}

extension IPv6Address: CustomStringConvertible {
    /// Parses the text forms of RFC 4291, 2.2, without a zone; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        var head: [UInt16] = []
        var tail: [UInt16] = []
        var compressed = false
        var rest = Substring(text)
        if rest.hasPrefix("::") {
            compressed = true
            rest = rest.dropFirst(2)
        } else if rest.hasPrefix(":") {
            return nil
        }
        while !rest.isEmpty {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            let piece = rest[..<end]
            var groups: [UInt16] = []
            if piece.contains(".") {
                guard end == rest.endIndex, let v4 = IPv4Address(piece) else { return nil }
                groups = [UInt16(v4.value >> 16), UInt16(truncatingIfNeeded: v4.value)]
            } else {
                guard (1...4).contains(piece.utf8.count), piece.utf8.allSatisfy(Self.isHexDigit),
                    let group = UInt16(piece, radix: 16)
                else { return nil }
                groups = [group]
            }
            if compressed { tail += groups } else { head += groups }
            if end == rest.endIndex { break }
            rest = rest[rest.index(after: end)...]
            if rest.hasPrefix(":") {
                guard !compressed else { return nil }
                compressed = true
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        let missing = 8 - head.count - tail.count
        guard compressed ? missing >= 1 : missing == 0 else { return nil }
        let groups = head + Array(repeating: 0, count: missing) + tail
        high = groups[0..<4].reduce(0) { $0 << 16 | UInt64($1) }
        low = groups[4..<8].reduce(0) { $0 << 16 | UInt64($1) }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }

    /// The canonical form of RFC 5952: lower case, the longest run of zeros compressed; mapped IPv4 in dotted form.
    package var description: String {
        if high == 0, low >> 32 == 0xFFFF { return "::ffff:\(IPv4Address(UInt32(truncatingIfNeeded: low)))" }
        let groups = (0..<8).map { index in
            UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - 16 * (index % 4)))
        }
        var best = 0..<0
        var start = 0
        while start < 8 {
            guard groups[start] == 0 else {
                start += 1
                continue
            }
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = end
        }
        func hex(_ groups: ArraySlice<UInt16>) -> String {
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if best.isEmpty { return hex(groups[...]) }
        return hex(groups[..<best.lowerBound]) + "::" + hex(groups[best.upperBound...])
    }
}

extension IPAddress: CustomStringConvertible {
    /// Parses either family; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        if let v4 = IPv4Address(text) {
            self = .v4(v4)
        } else if let v6 = IPv6Address(text) {
            self = .v6(v6)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}

extension IPPrefix: CustomStringConvertible {
    /// Parses `address/length`; an address alone is the whole address (/32 or /128).
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let longest = address.family == .ipv4 ? 32 : 128
        guard parts.count == 2 else {
            self.init(address, length: longest)
            return
        }
        guard (1...3).contains(parts[1].utf8.count), let length = Int(parts[1]), (0...longest).contains(length),
            parts[1].utf8.first != UInt8(ascii: "+")
        else { return nil }
        self.init(address, length: length)
    }

    package var description: String { "\(address)/\(length)" }
}

extension SocketAddress: CustomStringConvertible {
    /// Parses `10.0.0.1:1883`, `[2001:db8::1]:1883` and `*:1883` (any IPv6 and IPv4 address: `::`).
    package init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let portText = text[text.index(after: colon)...]
        guard let port = UInt16(portText), portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        let host = text[..<colon]
        if host == "*" {
            self.init(.v6(IPv6Address(high: 0, low: 0)), port: port)
        } else if host.hasPrefix("["), host.hasSuffix("]"), let v6 = IPv6Address(host.dropFirst().dropLast()) {
            self.init(.v6(v6), port: port)
        } else if let v4 = IPv4Address(host) {
            self.init(.v4(v4), port: port)
        } else {
            return nil
        }
    }

    package var description: String {
        switch address {
        case .v4(let v4): "\(v4):\(port)"
        case .v6(let v6): "[\(v6)]:\(port)"
        }
    }
}
