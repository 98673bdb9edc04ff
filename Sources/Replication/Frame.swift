// Frames of the pair link: types, limits, and the header before each body.

import Wire

/// The types of messages (docs/replication.md, 2).
enum FrameType {
    static let hello: UInt8 = 1
    static let heartbeat: UInt8 = 2
    static let entries: UInt8 = 3
    static let ack: UInt8 = 4
    static let drained: UInt8 = 5
    static let digest: UInt8 = 6
    static let repaired: UInt8 = 7
    static let overrun: UInt8 = 8
}

/// Limits of the pair link (docs/replication.md, 8).
package enum LinkLimit {
    /// Longest body of any frame, in bytes.
    package static let body = 65_664
    /// Longest body of a frame with several entries, in bytes.
    package static let batch = 16_384
    /// Most unacknowledged ENTRIES frames.
    package static let window = 64
    /// Most tables in a HELLO.
    package static let tables = 64
    /// Most blocks or ring slots examined for one frame.
    package static let examined = 16_384
    static let headerBytes = 4
}

extension Array<UInt8> {
    /// Appends a frame whose body `write` appends.
    mutating func appendFrame(_ type: UInt8, _ write: (inout [UInt8]) -> Void) {
        let start = count
        append(bigEndian: UInt32(0))
        write(&self)
        closeFrame(at: start, type)
    }

    /// Writes the header at `start` for the body that follows it.
    mutating func closeFrame(at start: Int, _ type: UInt8) {
        let length = count - start - LinkLimit.headerBytes
        precondition(length <= LinkLimit.body, "a frame outgrew its limit")
        self[start] = type
        self[start + 1] = UInt8(truncatingIfNeeded: length >> 16)
        self[start + 2] = UInt8(truncatingIfNeeded: length >> 8)
        self[start + 3] = UInt8(truncatingIfNeeded: length)
    }
}
