// Seals advertisements with a shared key and believes only those that are sealed.

package import Wire

/// The authentication of one virtual router (draft-cassen-vrrp-auth-hmac): its keys, what it has sent and what it has
/// seen of each sender. Pure; the wall clock is given as a value, the HMAC comes through ``MessageAuthenticator``.
///
/// The way from plain to authenticated adverts, and from one key to the next, needs no moment at which all nodes change
/// together:
/// 1. `receiveOnly` on every node: nothing changes on the wire, but a trailer is understood.
/// 2. `permissive` on every node: everybody seals, and who does not is still believed.
/// 3. `enforce` on every node.
///
/// A new key is added on every node, then made the active one on each, then the old one is removed: any key of the list
/// is accepted, the active one is sent.
///
/// A trailer that is there must be right in every mode. What it protects against: injection, modification, replay of a
/// capture. What it does not: somebody who stops packets. A receiver that has just started knows no sequence number and
/// would believe one replay that is younger than the window.
package struct HMACAuthentication: Sendable {
    /// Most senders whose sequence numbers are remembered; the one heard longest ago makes room. An entry is made only
    /// for a sender that has a key, so a flood of forgeries cannot push anybody out.
    package static let maximumSenders = 16

    /// The last sequence number of a sender.
    private struct Sender: Sendable {
        var address: IPAddress
        var sequence: UInt64
        var heard: UInt64
    }

    /// The settings in force.
    package private(set) var settings: Settings
    /// How far the clock of the last sender of a stale trailer is behind ours, in whole seconds; negative when it is
    /// ahead. For the operator: hosts that refuse each other as stale want their clocks set.
    package private(set) var lastClockDifference: Int64?
    /// The last number sent, or a larger one heard of a peer; `nil` before both.
    private var sent: UInt64?
    private var senders: [Sender] = []
    private var heardCount: UInt64 = 0

    /// Authentication that has neither sent nor heard anything.
    package init(_ settings: Settings) { self.settings = settings }

    /// Lives by other settings. What was seen of the senders stays, so that a reload opens no gap for a replay.
    package mutating func configure(_ settings: Settings) { self.settings = settings }

    // MARK: Sending

    /// The octets of an advertisement for one destination, sealed if the mode says so; `nil` when the library failed:
    /// then nothing is to be sent, and ``VirtualRouter/Event/sendFailed(errno:)`` to be reported.
    ///
    /// - Parameters:
    ///   - wall: the wall clock, as the time since 1970-01-01 00:00 UTC.
    package mutating func write(
        _ advertisement: Advertisement, from source: IPAddress, to destination: IPAddress,
        checksum: Advertisement.ChecksumForm, wall: Duration, with authenticator: some MessageAuthenticator
    ) -> [UInt8]? {
        guard settings.mode.seals else { return advertisement.write(from: source, to: destination, checksum: checksum) }
        var bytes = advertisement.unsummed(from: source, to: destination)
        let trailer = HMACTrailer(keyID: settings.activeKey, sequence: nextSequence(wall: wall))
        let input = trailer.input(bytes.span, from: source)
        guard let mac = authenticator.hmacSHA256(key: settings.key(settings.activeKey), message: input.span),
            mac.count >= HMACTrailer.macLength
        else { return nil }
        let length = bytes.count
        bytes += trailer.prefix()
        bytes += mac.prefix(HMACTrailer.macLength)
        advertisement.sum(
            &bytes, from: source, to: destination, checksum: checksum,
            covering: source.family == .ipv6 ? bytes.count : length)
        return bytes
    }

    /// The larger of the clock and the last number plus one.
    ///
    /// The first advert of a node whose clock was set back while it was down would be taken for a repetition by peers that
    /// remember it. So numbers follow those of the peers (Lamport): who has heard one advert of them sends a larger one
    /// than any of them has heard of us, for theirs have followed ours.
    ///
    /// In time mode a clock that was set back would leave our numbers in the future, where receivers call them stale, so it
    /// starts over from the clock once they are out of the window; receivers then forget the mark they had.
    private mutating func nextSequence(wall: Duration) -> UInt64 {
        let clock = Self.sequence(wall: wall)
        let isStranded = settings.antiReplay == .time && !(sent.map { isFresh($0, wall: wall) } ?? true)
        let next = sent.map { isStranded || Self.isAfter(clock, $0) ? clock : $0 &+ 1 } ?? clock
        sent = next
        return next
    }

    // MARK: Receiving

    /// Reads and verifies the payload of one IP packet; otherwise as
    /// ``Advertisement/init(parsing:from:to:hopLimit:)``.
    ///
    /// - Parameter wall: the wall clock, as the time since 1970-01-01 00:00 UTC.
    /// - Throws: the first rule the packet breaks.
    package mutating func read(
        _ bytes: Span<UInt8>, from source: IPAddress, to destination: IPAddress, hopLimit: UInt8?, wall: Duration,
        with authenticator: some MessageAuthenticator
    ) throws(Advertisement.Discard) -> Advertisement {
        let (message, length) = try Advertisement.read(
            bytes, from: source, to: destination, hopLimit: hopLimit, mayBeSealed: true)
        guard bytes.count == length + HMACTrailer.length else {
            guard settings.mode == .enforce else { return message }
            throw .hmacMissing
        }
        guard let trailer = HMACTrailer(bytes, at: length) else { throw .hmacMalformed }
        // Before the HMAC, so that a flood of old captures costs nothing. It only refuses: the time is not proven yet.
        if settings.antiReplay == .time, !isFresh(trailer.sequence, wall: wall) {
            lastClockDifference = Self.age(trailer.sequence, wall: wall)
            throw .hmacStale
        }
        guard let key = settings.keys.first(where: { $0.id == trailer.keyID }) else { throw .hmacUnknownKey }
        let input = trailer.input(bytes.extracting(..<length), from: source)
        guard let mac = authenticator.hmacSHA256(key: key.secret, message: input.span),
            mac.count >= HMACTrailer.macLength
        else { throw .hmacUnverifiable }
        // In constant time: how many octets fit is nobody's business.
        var difference: UInt8 = 0
        for index in 0..<HMACTrailer.macLength {
            difference |= mac[index] ^ bytes[length + HMACTrailer.prefixLength + index]
        }
        guard difference == 0 else { throw .hmacMismatch }
        guard advance(source, to: trailer.sequence, wall: wall) else { throw .hmacReplayed }
        if settings.antiReplay == .monotonic, sent.map({ Self.isAfter(trailer.sequence, $0) }) ?? true {
            sent = trailer.sequence
        }
        return message
    }

    /// Whether an advertisement of this sender has ever fitted one of the keys.
    package func hasVerified(_ sender: IPAddress) -> Bool { senders.contains { $0.address == sender } }

    /// Raises the mark of a sender; false when the number does not grow.
    private mutating func advance(_ source: IPAddress, to sequence: UInt64, wall: Duration) -> Bool {
        heardCount += 1
        let entry = Sender(address: source, sequence: sequence, heard: heardCount)
        if let index = senders.firstIndex(where: { $0.address == source }) {
            let mark = senders[index].sequence
            // A mark outside the window was left by a clock that has been set since.
            let counts = settings.antiReplay == .monotonic || isFresh(mark, wall: wall)
            guard !counts || Self.isAfter(sequence, mark) else { return false }
            senders[index] = entry
        } else if senders.count < Self.maximumSenders {
            senders.append(entry)
        } else if let oldest = senders.indices.min(by: { senders[$0].heard < senders[$1].heard }) {
            senders[oldest] = entry
        }
        return true
    }

    // MARK: Sequence numbers

    /// The clock as a sequence number with a counter of zero.
    private static func sequence(wall: Duration) -> UInt64 {
        let nanoseconds = UInt64(max(wall.nanoseconds, 0))
        let fraction = (nanoseconds % 1_000_000_000) << 16 / 1_000_000_000
        return UInt64(UInt32(truncatingIfNeeded: nanoseconds / 1_000_000_000)) << 32 | fraction << 16
    }

    /// Serial number arithmetic (RFC 1982), so that the wrap of the seconds in 2106 is no event.
    private static func isAfter(_ a: UInt64, _ b: UInt64) -> Bool { Int64(bitPattern: a &- b) > 0 }

    /// How many seconds ago the number was made; negative in the future.
    private static func age(_ sequence: UInt64, wall: Duration) -> Int64 {
        let clock = UInt32(truncatingIfNeeded: max(wall.nanoseconds, 0) / 1_000_000_000)
        return Int64(Int32(bitPattern: clock &- UInt32(sequence >> 32)))
    }

    private func isFresh(_ sequence: UInt64, wall: Duration) -> Bool {
        abs(Self.age(sequence, wall: wall)) <= settings.window.nanoseconds / 1_000_000_000
    }
}
