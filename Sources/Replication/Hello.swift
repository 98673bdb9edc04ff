// The first message of a link: who a node is and which tables it has.

import Wire

/// HELLO (docs/replication.md, 3).
package struct Hello: Hashable, Sendable {
    /// A table as one side announces it.
    package struct Table: Hashable, Sendable {
        package var name: String
        package var keyCheck: UInt64
        /// Milliseconds; informative.
        package var expire: UInt64
        /// Informative.
        package var entries: UInt64
        /// The highest version counter the node has seen in the table.
        package var counter: UInt64
    }

    package static let version: UInt16 = 1
    static let magic: UInt32 = 0x5553_5452

    /// Milliseconds between the sender's heartbeats; at least 1.
    package var heartbeat: UInt16
    package var node: UInt32
    package var instance: UInt64
    package var name: String
    package var tables: [Table]

    func append(to out: inout [UInt8]) {
        out.append(bigEndian: Hello.magic)
        out.append(bigEndian: Hello.version)
        out.append(bigEndian: heartbeat)
        out.append(bigEndian: node)
        out.append(bigEndian: instance)
        Hello.append(name, to: &out)
        out.append(UInt8(tables.count))
        for table in tables {
            Hello.append(table.name, to: &out)
            out.append(bigEndian: table.keyCheck)
            out.append(bigEndian: table.expire)
            out.append(bigEndian: table.entries)
            out.append(bigEndian: table.counter)
        }
    }

    /// Reads a body.
    ///
    /// - Throws: `malformed` or `otherVersion`.
    static func parse(_ body: borrowing Span<UInt8>) throws(PeerRefusal) -> Hello {
        var reader = ByteReader(body)
        guard try reader.field32(FrameType.hello) == magic else { throw .malformed(.notOurProtocol) }
        let version = try reader.field16(FrameType.hello)
        guard version == Hello.version else { throw .otherVersion(version) }
        let heartbeat = try reader.field16(FrameType.hello)
        guard heartbeat > 0 else { throw .malformed(.zeroHeartbeat) }
        let node = try reader.field32(FrameType.hello)
        let instance = try reader.field64(FrameType.hello)
        let name = try text(&reader)
        let count = Int(try reader.field8(FrameType.hello))
        guard count <= LinkLimit.tables else { throw .malformed(.tooManyTables(count)) }
        var tables: [Table] = []
        for _ in 0..<count {
            tables.append(
                Table(
                    name: try text(&reader), keyCheck: try reader.field64(FrameType.hello),
                    expire: try reader.field64(FrameType.hello), entries: try reader.field64(FrameType.hello),
                    counter: try reader.field64(FrameType.hello)))
        }
        return Hello(heartbeat: heartbeat, node: node, instance: instance, name: name, tables: tables)
    }

    private static func append(_ name: String, to out: inout [UInt8]) {
        precondition((1...255).contains(name.utf8.count), "a name on the wire has 1 to 255 bytes")
        out.append(UInt8(name.utf8.count))
        out.append(contentsOf: name.utf8)
    }

    private static func text(_ reader: inout ByteReader) throws(PeerRefusal) -> String {
        let count = Int(try reader.field8(FrameType.hello))
        guard count > 0 else { throw .malformed(.badName) }
        let bytes = try reader.fieldBytes(count, FrameType.hello)
        guard let name = String(validating: bytes, as: UTF8.self) else { throw .malformed(.badName) }
        return name
    }
}
