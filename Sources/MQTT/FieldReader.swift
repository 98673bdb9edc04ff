// Reads the fields of one packet, never beyond its end.

import Wire

/// A cursor over one packet's fields; what does not fit the packet throws ``Violation/truncated``.
///
/// Its end is the packet's end, not the buffer's: inner lengths can never reach into the next packet.
struct FieldReader: ~Escapable {
    private var reader: ByteReader
    private let text: UTF8Rule

    /// - Parameters:
    ///   - bytes: The packet from its first byte, possibly with more behind it.
    ///   - range: The part to read, inside `bytes`.
    @_lifetime(copy bytes)
    init(_ bytes: borrowing Span<UInt8>, _ range: ByteRange, text: UTF8Rule) {
        var reader = ByteReader(bytes.extracting(0..<range.end))
        do { try reader.skip(range.offset) } catch { preconditionFailure("the range begins inside its bytes") }
        self.reader = reader
        self.text = text
    }

    /// Where the next byte stands in the packet.
    var offset: Int { reader.offset }
    var isAtEnd: Bool { reader.isAtEnd }
    /// What is left, as a range.
    var rest: ByteRange { ByteRange(offset: reader.offset, count: reader.remaining) }

    mutating func u8() throws(Violation) -> UInt8 {
        do { return try reader.u8() } catch { throw .truncated }
    }

    mutating func u16() throws(Violation) -> UInt16 {
        do { return try reader.u16() } catch { throw .truncated }
    }

    mutating func u32() throws(Violation) -> UInt32 {
        do { return try reader.u32() } catch { throw .truncated }
    }

    /// A packet identifier: two bytes, not zero (MQTT 5.0, 2.2.1).
    mutating func packetIdentifier() throws(Violation) -> UInt16 {
        let identifier = try u16()
        guard identifier != 0 else { throw .packetIdentifier }
        return identifier
    }

    /// A variable byte integer in its shortest form.
    mutating func variableByteInteger() throws(Violation) -> Int {
        switch VariableByteInteger.read(reader.bytes, at: reader.offset) {
        case .needMore: throw .truncated
        case .malformed, .value(_, _, isMinimal: false): throw .propertyLength
        case .value(let value, let length, _):
            try skip(length)
            return value
        }
    }

    /// Binary data: a two-byte length and that many bytes (MQTT 5.0, 1.5.6).
    mutating func binary() throws(Violation) -> ByteRange { try take(Int(u16())) }

    /// A UTF-8 encoded string (MQTT 5.0, 1.5.4).
    mutating func string() throws(Violation) -> ByteRange {
        let range = try binary()
        if let violation = text.violation(reader.bytes, range) { throw violation }
        return range
    }

    /// A topic name: a string, not empty, without wildcards (MQTT 5.0, 4.7).
    mutating func topicName(else violation: Violation) throws(Violation) -> ByteRange {
        let range = try string()
        guard UTF8Rule.isTopicName(reader.bytes, range) else { throw violation }
        return range
    }

    /// Everything up to the packet's end.
    mutating func takeRest() throws(Violation) -> ByteRange { try take(reader.remaining) }

    /// The length of a property block and the block itself, not yet looked into (MQTT 5.0, 2.2.2.1).
    mutating func propertyBlock() throws(Violation) -> ByteRange {
        let count = try variableByteInteger()
        guard count <= reader.remaining else { throw .propertyLength }
        return try take(count)
    }

    private mutating func take(_ count: Int) throws(Violation) -> ByteRange {
        let range = ByteRange(offset: reader.offset, count: count)
        try skip(count)
        return range
    }

    private mutating func skip(_ count: Int) throws(Violation) {
        do { try reader.skip(count) } catch { throw .truncated }
    }
}
