// Reads a server's DISCONNECT.

extension Disconnect {
    /// What the bytes at a packet's beginning are.
    package enum Finding: Equatable, Sendable {
        /// Nothing new can be said before there are more bytes.
        case needMore
        /// A DISCONNECT in the first `length` bytes.
        ///
        /// - Parameter namesServer: It has a Server Reference (MQTT 5.0, 3.14.2.2.5).
        case disconnect(ReasonCode, namesServer: Bool, length: Int)
        /// Longer than is looked at, or malformed; the reason stands where it should.
        case unreadable(ReasonCode)
    }

    /// Looks at the beginning of `received`, a DISCONNECT of 5.0 by its first byte.
    ///
    /// - Parameter maximumLength: of the packet, in bytes, that is read as a whole.
    package static func find(_ received: Span<UInt8>, maximumLength: Int) -> Finding {
        guard received.count >= 2 else { return .needMore }
        do throws(Violation) {
            guard let header = try FixedHeader.read(received) else { return .needMore }
            guard header.remainingLength > 0 else {
                return .disconnect(.success, namesServer: false, length: header.packetLength)
            }
            guard received.count > header.length else { return .needMore }
            let reason = ReasonCode(rawValue: received[header.length])
            guard header.packetLength <= maximumLength else { return .unreadable(reason) }
            guard received.count >= header.packetLength else { return .needMore }
            do throws(Violation) {
                let namesServer = try namesServer(received, header)
                return .disconnect(reason, namesServer: namesServer, length: header.packetLength)
            } catch {
                return .unreadable(reason)
            }
        } catch {
            return .unreadable(.malformedPacket)
        }
    }

    /// Whether a whole DISCONNECT has a Server Reference.
    private static func namesServer(_ bytes: Span<UInt8>, _ header: FixedHeader) throws(Violation) -> Bool {
        guard PacketType(firstByte: header.firstByte) == .disconnect else { throw .fixedHeaderFlags }
        guard header.isMinimal else { throw .remainingLength }
        // Strings in a server's words are the client's to judge: only their form is checked.
        let text = UTF8Rule(allowsControls: true)
        var fields = FieldReader(bytes, ByteRange(offset: header.length, count: header.remainingLength), text: text)
        _ = try fields.u8()
        guard !fields.isAtEnd else { return false }
        let properties = try fields.propertyBlock()
        guard fields.isAtEnd else { throw .trailingBytes }
        var walk = PropertyWalk(bytes, properties, in: .disconnect, text: text)
        var found = false
        while let item = try walk.next() {
            if item.property == .serverReference { found = true }
        }
        return found
    }
}

extension ReasonCode {
    /// Whether a server that ends a session with this reason wants no others now: *server busy*, *server shutting down*, *use another
    /// server*, *server moved*. Quota and rate are the client's own in a DISCONNECT (MQTT 5.0, 3.14.2.1).
    package var sendsAway: Bool {
        switch self {
        case .serverBusy, .serverShuttingDown, .useAnotherServer, .serverMoved: true
        default: false
        }
    }

    /// Whether it says that the client belongs elsewhere.
    package var namesAnother: Bool { self == .useAnotherServer || self == .serverMoved }
}
