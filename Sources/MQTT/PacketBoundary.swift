// Knows where the packet ends that a stream is in, in one word.

/// Where the next packet of a stream begins, as far as its bytes were seen, without looking into payloads.
///
/// One word of plain data that is stored at once, and following the same bytes twice changes nothing: so it can live in a
/// session's slot, outlive the process, and be brought up to date by its successor from the bytes that are still there.
/// The cost is a comparison for each piece inside a packet, and a few instructions for each packet. A DISCONNECT may be
/// put into a stream, and a stream be cut without harm, only at a boundary (MQTT 5.0, 3.14).
///
/// It can be told to stop before certain packets (``Stops``): then somebody looks at the packet, and leads it over that one.
///
/// Offsets are counted from the beginning of the stream and kept modulo 2^40; a packet is shorter than 2^28 bytes.
@usableFromInline
package struct PacketBoundary: Equatable, Sendable, BitwiseCopyable {
    /// From the lowest: 40 bits the offset of the next byte to be looked at; 21 bits the remaining length as far as it
    /// was read; 3 bits how many bytes of the fixed header were seen, or ``malformed``.
    @usableFromInline var word: UInt64 = 0

    /// Packets before which a boundary stops.
    package struct Stops: OptionSet, Sendable, BitwiseCopyable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// DISCONNECT.
        package static let disconnect = Stops(rawValue: 1)
        /// Everything but AUTH, as long as a server's CONNACK is awaited (MQTT 5.0, 4.12).
        package static let allButAuth = Stops(rawValue: 2)
        /// Both: put together here, where it costs nothing for each message.
        package static let all = Stops(rawValue: 3)

        /// Whether a packet with this first byte is one of them.
        @inline(__always)
        func contains(firstByte: UInt8) -> Bool {
            switch firstByte >> 4 {
            case PacketType.disconnect.rawValue: !isEmpty
            case PacketType.auth.rawValue: false
            default: contains(.allButAuth)
            }
        }
    }

    private static let malformed: UInt64 = 7
    /// First bytes from here on are those of DISCONNECT and AUTH.
    @usableFromInline static let firstOfLast: UInt8 = 0xE0
    @usableFromInline static let offsetMask: UInt64 = 1 << 40 - 1

    package init() {}

    /// A remaining length of more than four bytes came, or bytes were missed; nothing behind can be told apart any more.
    package var isMalformed: Bool { word >> 61 == Self.malformed }

    /// How many bytes from `offset` to the next byte that is looked at; negative when it was missed.
    private func distance(from offset: UInt64) -> Int {
        let difference = (word &- offset) & Self.offsetMask
        return difference < 1 << 39 ? Int(difference) : Int(difference) - 1 << 40
    }

    /// Bytes that are certainly missing until the next boundary, when the stream was followed to `offset`: 0 at one; at least
    /// 1 while a length is not known. `nil`: no boundary is known any more.
    package func missing(at offset: UInt64) -> Int? {
        let distance = distance(from: offset)
        guard !isMalformed, distance >= 0 else { return nil }
        return (word >> 61) & 7 == 0 ? distance : max(1, distance)
    }

    /// How many of `bytes`, of which the first stands at `offset`, there are up to the first boundary; `nil`: there is none in
    /// them.
    package func firstEnd(in bytes: Span<UInt8>, at offset: UInt64) -> Int? {
        var copy = self
        var place = 0
        while let missing = copy.missing(at: offset &+ UInt64(place)), place + missing <= bytes.count {
            if missing == 0 { return place }
            copy.follow(bytes.extracting(place..<place + missing), at: offset &+ UInt64(place))
            place += missing
        }
        return nil
    }

    /// How many bytes before `offset`, to which the stream was followed, stand behind a place where it stopped (``Stops``); 0: it
    /// did not stop.
    package func unfollowed(to offset: UInt64) -> Int {
        guard (word >> 61) & 7 == 0 else { return 0 }
        return max(0, -distance(from: offset))
    }

    /// The same for bytes that begin at a boundary and are one whole packet of less than 130 bytes, which most are, and neither
    /// DISCONNECT nor AUTH; `false`: they are not, and nothing has changed.
    ///
    /// - Parameters:
    ///   - count: how many bytes there are.
    ///   - first: the first of them.
    ///   - second: the second of them, if there are as many.
    @inlinable @inline(__always)
    package mutating func followWhole(count: Int, first: UInt8, second: UInt8, at offset: UInt64) -> Bool {
        // A word without the upper bits is an offset between two packets; a length of one byte has no upper bit.
        guard word == offset & Self.offsetMask, first < Self.firstOfLast, second < 0x80, count == 2 + Int(second) else { return false }
        word = (offset &+ UInt64(truncatingIfNeeded: count)) & Self.offsetMask
        return true
    }

    /// Follows `bytes`, of which the first stands at `offset`: the next piece, or one that was followed before.
    ///
    /// - Parameter stops: where it stops; what stands behind is followed when it was led over the packet.
    @inline(__always)
    package mutating func follow(_ bytes: Span<UInt8>, at offset: UInt64, stopping stops: Stops = []) {
        if word >> 61 == 0, distance(from: offset) >= bytes.count { return }
        advance(bytes, at: offset, stops)
    }

    private mutating func advance(_ bytes: Span<UInt8>, at offset: UInt64, _ stops: Stops) {
        guard !isMalformed else { return }
        var index = distance(from: offset)
        var seen = word >> 61
        var pending = (word >> 40) & 0x1F_FFFF
        if index < 0 { seen = Self.malformed }
        while index < bytes.count, seen != Self.malformed {
            let byte = bytes[index]
            if seen == 0, stops.contains(firstByte: byte) { break }
            index += 1
            if seen == 0 {
                seen = 1
                pending = 0
                continue
            }
            pending |= UInt64(byte & 0x7F) << (7 * (seen - 1))
            if byte & 0x80 == 0 {
                index += Int(pending)
                seen = 0
                pending = 0
            } else {
                seen = seen == 4 ? Self.malformed : seen + 1
            }
        }
        word = seen << 61 | (pending & 0x1F_FFFF) << 40 | (offset &+ UInt64(bitPattern: Int64(index))) & Self.offsetMask
    }
}
