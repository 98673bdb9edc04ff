// A block of properties to be written.

import Wire

/// Properties in the order they are written; empty and meaningless in 3.x.
///
/// Kept as encoded bytes, so that what was read is written back byte for byte, in the sender's order.
package struct Properties: Hashable, Sendable {
    /// The encoded properties without their length.
    package private(set) var bytes: [UInt8]

    /// No properties.
    package init() { bytes = [] }

    /// Properties as they stood in a packet; `bytes` were checked by whoever read them.
    package init(encoded bytes: [UInt8]) { self.bytes = bytes }

    package var isEmpty: Bool { bytes.isEmpty }

    /// Appends a number; the property decides its width, and the value must be in the property's range.
    package mutating func append(_ property: Property, _ number: UInt32) {
        precondition(property.row.values.contains(number), "property value out of range")
        bytes.append(property.rawValue)
        switch property.row.kind {
        case .byte: bytes.append(UInt8(number))
        case .u16: bytes.append(bigEndian: UInt16(number))
        case .u32: bytes.append(bigEndian: number)
        case .variable: VariableByteInteger.append(Int(number), to: &bytes)
        case .string, .topic, .binary, .pair: preconditionFailure("the property is not a number")
        }
    }

    /// Appends a text or binary value.
    ///
    /// - Throws: ``Oversize`` when the value is longer than 65,535 bytes; nothing is appended then.
    package mutating func append(_ property: Property, _ value: [UInt8]) throws(Oversize) {
        guard value.count <= Int(UInt16.max) else { throw Oversize() }
        bytes.append(property.rawValue)
        try bytes.append(field: value)
    }

    /// Appends a user property (MQTT 5.0, 3.1.2.11.8).
    ///
    /// - Throws: ``Oversize`` when name or value is longer than 65,535 bytes; nothing is appended then.
    package mutating func append(user name: [UInt8], _ value: [UInt8]) throws(Oversize) {
        guard value.count <= Int(UInt16.max) else { throw Oversize() }
        try append(.userProperty, name)
        try bytes.append(field: value)
    }

    /// Appends length and properties (MQTT 5.0, 2.2.2).
    func write(to packet: inout [UInt8]) throws(Oversize) {
        guard bytes.count <= VariableByteInteger.maximum else { throw Oversize() }
        VariableByteInteger.append(bytes.count, to: &packet)
        packet += bytes
    }
}
