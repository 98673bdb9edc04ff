// Durations, sizes, counts and addresses as they are written: the reading side, and the writing side where Wire has none.

import Wire

extension Duration {
    /// Reads a duration as files and command lines write it: `1m30s`; `nil` for anything else.
    package init?(text: String) {
        guard let nanoseconds = DurationText.nanoseconds(text) else { return nil }
        self = .nanoseconds(nanoseconds)
    }
}

/// `100ms`, `1m30s`, `40.95s`.
enum DurationText {
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1000),
    ]

    static func parse(_ text: String, _ range: ClosedRange<Duration>, step: Duration) throws(Refusal) -> Duration {
        let limits = "\(range.lowerBound.text) to \(range.upperBound.text)"
        if Int(digits: text) != nil {
            throw Refusal("the duration \(text) has no unit", help: "write \(text)ms or \(text)s")
        }
        guard let nanoseconds = nanoseconds(text) else {
            throw Refusal("\"\(text.excerpt)\" is not a duration", help: "write \(limits); units: us ms s m h d")
        }
        let duration = Duration.nanoseconds(nanoseconds)
        guard range.contains(duration) else { throw Refusal("\(text) is out of range", help: "write \(limits)") }
        guard nanoseconds % step.nanoseconds == 0 else {
            let below = max(nanoseconds / step.nanoseconds, 1) * step.nanoseconds
            throw Refusal(
                "\(text) is not a multiple of \(step.text)",
                help: "write \(Duration.nanoseconds(below).text) or "
                    + Duration.nanoseconds(below + step.nanoseconds).text)
        }
        return duration
    }

    fileprivate static func nanoseconds(_ text: String) -> Int64? {
        var rest = Substring(text)
        var total: Int64 = 0
        var largest = units.startIndex
        guard !rest.isEmpty, text.utf8.count <= 64 else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(unit.count)
            // Units grow smaller: 1m30s, never 30s1m.
            guard let index = units[largest...].firstIndex(where: { $0.name == unit }),
                let value = scaled(number, by: units[index].nanoseconds)
            else { return nil }
            largest = index + 1
            let (sum, overflow) = total.addingReportingOverflow(value)
            guard !overflow else { return nil }
            total = sum
        }
        return total
    }

    /// A decimal number times a unit, exactly; `nil` when it is none or does not fit.
    private static func scaled(_ number: Substring, by unit: Int64) -> Int64? {
        let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = Int(digits: first) else { return nil }
        let (product, overflow) = Int64(whole).multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return product }
        guard let fraction = Int(digits: parts[1]), parts[1].utf8.count <= 6 else { return nil }
        var divisor: Int64 = 1
        for _ in 0..<parts[1].utf8.count { divisor *= 10 }
        // At most 10⁶ × 86400 × 10⁹ < 2⁶³ × 10: checked like the whole part.
        let (scaled, overflow2) = Int64(fraction).multipliedReportingOverflow(by: unit)
        guard !overflow2 else { return nil }
        let (sum, overflow3) = product.addingReportingOverflow(scaled / divisor)
        return overflow3 ? nil : sum
    }
}

/// `64KiB`.
enum SizeText {
    private static let units: [(name: String, bytes: Int)] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)]

    static func text(_ bytes: Int) -> String {
        let unit = units.first { bytes % $0.bytes == 0 && bytes >= $0.bytes } ?? ("B", 1)
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    static func parse(_ text: String, _ range: ClosedRange<Int>) throws(Refusal) -> Int {
        let limits = "\(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))"
        if Int(digits: text) != nil {
            throw Refusal("the size \(text) has no unit", help: "write \(text)B or \(text)KiB")
        }
        let number = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int(digits: number),
            let unit = units.first(where: { $0.name == text.dropFirst(number.count) })
        else { throw Refusal("\"\(text.excerpt)\" is not a size", help: "write \(limits); units: B KiB MiB") }
        let (bytes, overflow) = value.multipliedReportingOverflow(by: unit.bytes)
        guard !overflow, range.contains(bytes) else {
            throw Refusal("\(text) is out of range", help: "write \(limits)")
        }
        return bytes
    }
}

/// `2000/s`.
enum RateText {
    static func parse(_ text: String, _ range: ClosedRange<Int>) throws(Refusal) -> Int {
        let limits = "\(range.lowerBound)/s to \(range.upperBound)/s"
        if Int(digits: text) != nil { throw Refusal("the rate \(text) has no unit", help: "write \(text)/s") }
        guard text.hasSuffix("/s"), let value = Int(digits: text.dropLast(2)) else {
            throw Refusal("\"\(text.excerpt)\" is not a rate", help: "write \(limits)")
        }
        guard range.contains(value) else { throw Refusal("\(text) is out of range", help: "write \(limits)") }
        return value
    }
}

/// `1M` entries.
enum CountText {
    static func text(_ count: Int) -> String {
        if count >= 1 << 20, count % (1 << 20) == 0 { return "\(count >> 20)M" }
        if count >= 1 << 10, count % (1 << 10) == 0 { return "\(count >> 10)K" }
        return "\(count)"
    }

    static func parse(_ text: String, _ range: ClosedRange<Int>) throws(Refusal) -> Int {
        let limits = "\(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))"
        var number = Substring(text)
        var unit = 1
        if let last = text.last,
            let size = ["k": 1 << 10, "K": 1 << 10, "m": 1 << 20, "M": 1 << 20, "g": 1 << 30, "G": 1 << 30][last]
        {
            unit = size
            number = number.dropLast()
        }
        guard let value = Int(digits: number) else {
            throw Refusal("\"\(text.excerpt)\" is not a number", help: "write \(limits)")
        }
        let (count, overflow) = value.multipliedReportingOverflow(by: unit)
        guard !overflow, range.contains(count) else {
            throw Refusal("\(text) is out of range", help: "write \(limits)")
        }
        return count
    }
}

/// Addresses with the mistakes people make in them.
enum AddressText {
    static func address(_ text: String) throws(Refusal) -> IPAddress {
        if let address = IPAddress(text) { return address }
        if text.contains("/") {
            throw Refusal("\"\(text.excerpt)\" has a prefix length", help: "write the address alone")
        }
        throw Refusal(
            "\"\(text.excerpt)\" is not an IP address",
            help: "write an address such as 10.0.0.11 or 2001:db8::11; names are not looked up")
    }

    static func prefix(_ text: String) throws(Refusal) -> IPPrefix {
        if let prefix = IPPrefix(text) { return prefix }
        if let slash = text.firstIndex(of: "/"), let address = IPAddress(text[..<slash]) {
            throw Refusal(
                "\"\(text.excerpt)\" has a wrong prefix length",
                help: "write /0 to /\(address.family == .ipv4 ? 32 : 128) behind the address")
        }
        throw Refusal(
            "\"\(text.excerpt)\" is not an IP address", help: "write an address such as 10.0.0.10/24 or 2001:db8::10/64"
        )
    }

    static func socket(_ text: String) throws(Refusal) -> SocketAddress {
        if let socket = SocketAddress(text) {
            guard socket.port > 0 else { throw Refusal("port 0 is no port", help: "write 1 to 65535") }
            return socket
        }
        if let address = IPAddress(text) {
            let host = address.family == .ipv6 ? "[\(address)]" : "\(address)"
            throw Refusal("\"\(text.excerpt)\" has no port", help: "write \(host):1883")
        }
        if Int(digits: text) != nil {
            throw Refusal("\"\(text.excerpt)\" has no address", help: "write *:\(text.excerpt) for every address")
        }
        // The address is right and the port is not: 0 is no port either, but it parses.
        if let colon = text.lastIndex(of: ":"), SocketAddress(text[...colon] + "0") != nil {
            let port = String(text[text.index(after: colon)...])
            throw Refusal("\"\(port.excerpt)\" is not a port", help: "write 1 to 65535")
        }
        throw Refusal(
            "\"\(text.excerpt)\" is not an address and port",
            help: "write 10.0.0.11:1883, [2001:db8::11]:1883 or *:1883; names are not looked up")
    }
}
