// The arguments of one directive after they were matched against its grammar.

import Wire

/// What the words behind a directive turned out to be, each value with its place.
struct Arguments: Hashable, Sendable {
    struct Item: Hashable, Sendable {
        var key: String
        var value: Value
        var range: SourceRange
    }

    /// Values by placeholder (`ADDRESS`) or option keyword (`every`).
    private(set) var items: [Item] = []
    /// Fixed words that were written: choices and flags.
    private(set) var words: [String] = []

    mutating func add(_ key: String, _ value: Value, at range: SourceRange) {
        items.append(Item(key: key, value: value, range: range))
    }

    mutating func add(word: String) { words.append(word) }

    /// Whether the choice or flag `word` was written.
    func has(_ word: String) -> Bool { words.contains(word) }

    func value(_ key: String) -> Value? { items.first { $0.key == key }?.value }
    func range(_ key: String) -> SourceRange? { items.first { $0.key == key }?.range }

    /// Every value of a name that may be written several times, in order.
    func texts(_ key: String) -> [String] {
        items.compactMap { if $0.key == key, case .text(let text) = $0.value { text } else { nil } }
    }

    func text(_ key: String) -> String? { if case .text(let text)? = value(key) { text } else { nil } }
    func integer(_ key: String) -> Int? { if case .integer(let value)? = value(key) { value } else { nil } }
    func duration(_ key: String) -> Duration? { if case .duration(let value)? = value(key) { value } else { nil } }
    func address(_ key: String) -> IPAddress? { if case .address(let value)? = value(key) { value } else { nil } }
    func prefix(_ key: String) -> IPPrefix? { if case .prefix(let value)? = value(key) { value } else { nil } }
    /// Every value of a placeholder that takes several, in order.
    func prefixes(_ key: String) -> [IPPrefix] {
        items.compactMap { item in
            if item.key == key, case .prefix(let value) = item.value { value } else { nil }
        }
    }
    func socket(_ key: String) -> SocketAddress? { if case .socket(let value)? = value(key) { value } else { nil } }
}

/// Puts a value that was written in the place of the default.
func assign<T>(_ value: T?, to place: inout T) {
    if let value { place = value }
}

/// Puts a number whose range the table has already checked in the place of the default.
func assign<I: FixedWidthInteger>(_ value: Int?, to place: inout I) {
    if let value { place = I(clamping: value) }
}

extension Array {
    /// The object whose block is being read; there is one whenever a directive of its block is applied.
    var newest: Element {
        get { self[endIndex - 1] }
        set { self[endIndex - 1] = newValue }
    }
}

/// A word as it is written: in quotes where it needs them.
func written(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"{};#\\".utf8.contains($0) }
    if plain, !text.isEmpty { return text }
    var out = "\""
    for character in text {
        if character == "\"" || character == "\\" { out += "\\" }
        out.append(character)
    }
    return out + "\""
}

/// An address and port as it is written: `*:1883` for every address.
func written(_ address: SocketAddress) -> String {
    address.address == .v6(IPv6Address(high: 0, low: 0)) ? "*:\(address.port)" : address.description
}
