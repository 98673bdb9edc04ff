// The error of writers: a value does not fit its length field.

import Wire

/// A value is longer than its length field can say: 65,535 bytes for a field, 268,435,455 for a packet
/// (MQTT 5.0, 1.5.4 to 1.5.6).
package struct Oversize: Error, Equatable { package init() {} }

extension Array<UInt8> {
    /// Appends a two-byte length and `field` (a UTF-8 string or binary data, MQTT 5.0, 1.5.4 and 1.5.6).
    mutating func append(field: [UInt8]) throws(Oversize) {
        guard let count = UInt16(exactly: field.count) else { throw Oversize() }
        append(bigEndian: count)
        self += field
    }
}
