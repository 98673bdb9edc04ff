// Reading fields of a frame: what does not fit is the peer's mistake, named by the frame's type.

import Wire

extension ByteReader {
    mutating func field8(_ type: UInt8) throws(PeerRefusal) -> UInt8 {
        do { return try u8() } catch { throw .malformed(.short(type: type)) }
    }

    mutating func field16(_ type: UInt8) throws(PeerRefusal) -> UInt16 {
        do { return try u16() } catch { throw .malformed(.short(type: type)) }
    }

    mutating func field32(_ type: UInt8) throws(PeerRefusal) -> UInt32 {
        do { return try u32() } catch { throw .malformed(.short(type: type)) }
    }

    mutating func field64(_ type: UInt8) throws(PeerRefusal) -> UInt64 {
        do { return try u64() } catch { throw .malformed(.short(type: type)) }
    }

    mutating func fieldBytes(_ count: Int, _ type: UInt8) throws(PeerRefusal) -> [UInt8] {
        do { return try take(count) } catch { throw .malformed(.short(type: type)) }
    }

    mutating func pass(_ count: Int, _ type: UInt8) throws(PeerRefusal) {
        do { try skip(count) } catch { throw .malformed(.short(type: type)) }
    }
}
