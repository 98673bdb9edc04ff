// Walks over a block of properties, one at a time, checking each by the table.

/// One property as it stands in a packet.
struct PropertyItem {
    let property: Property
    /// The value when it is a number, else 0.
    var number: UInt32 = 0
    /// The value's bytes when it is text or binary (of a pair: the name), else empty.
    var range = ByteRange(offset: 0, count: 0)
}

/// Reads a block of properties: known, allowed in this place, at most once, in range (MQTT 5.0, 2.2.2).
///
/// Linear in the block's length whatever it contains; every step passes over at least two bytes.
struct PropertyWalk: ~Escapable {
    private var fields: FieldReader
    private let place: Property.Place
    /// A bit for each identifier already met.
    private var seen: UInt64 = 0

    @_lifetime(copy bytes)
    init(_ bytes: borrowing Span<UInt8>, _ block: ByteRange, in place: Property.Place, text: UTF8Rule) {
        fields = FieldReader(bytes, block, text: text)
        self.place = place
    }

    /// The next property; nil at the end of the block.
    mutating func next() throws(Violation) -> PropertyItem? {
        if fields.isAtEnd { return nil }
        // Identifiers are variable byte integers, all of them below 128 so far: a first byte above is an unknown one.
        guard let property = Property(rawValue: try fields.u8()) else { throw .propertyUnknown }
        let row = property.row
        guard !row.places.isDisjoint(with: place) else { throw .propertyNotAllowed }
        let bit: UInt64 = 1 << UInt64(property.rawValue)
        if seen & bit != 0, row.repeats.isDisjoint(with: place) { throw .propertyDuplicate }
        seen |= bit
        let item: PropertyItem
        do { item = try value(of: property, row.kind) } catch {
            throw error == .truncated ? .propertyLength : error
        }
        guard row.values.contains(item.number) else { throw .propertyValue }
        return item
    }

    /// Walks to the end for the sake of the checks alone.
    mutating func finish() throws(Violation) {
        while try next() != nil {}
    }

    private mutating func value(of property: Property, _ kind: Property.Kind) throws(Violation) -> PropertyItem {
        switch kind {
        case .byte: return PropertyItem(property: property, number: UInt32(try fields.u8()))
        case .u16: return PropertyItem(property: property, number: UInt32(try fields.u16()))
        case .u32: return PropertyItem(property: property, number: try fields.u32())
        case .variable: return PropertyItem(property: property, number: UInt32(try fields.variableByteInteger()))
        case .string: return PropertyItem(property: property, range: try fields.string())
        case .topic: return PropertyItem(property: property, range: try fields.topicName(else: .topic))
        case .binary: return PropertyItem(property: property, range: try fields.binary())
        case .pair:
            let name = try fields.string()
            _ = try fields.string()
            return PropertyItem(property: property, range: name)
        }
    }
}
