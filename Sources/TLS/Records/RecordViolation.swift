// Why a record ends a session.

/// What the other side did wrong, with the alert it is answered with.
package enum RecordViolation: String, Error, Hashable, Sendable, CaseIterable {
    /// A record of a type that has no place here, or without a type.
    case unexpectedMessage = "unexpected-message"
    /// Its tag does not verify: forged, damaged, replayed, reordered.
    case badRecordMAC = "bad-record-mac"
    /// Longer than allowed.
    case recordOverflow = "record-overflow"
    /// Bytes that cannot be what they should be.
    case decodeError = "decode-error"
    /// A value outside its range.
    case illegalParameter = "illegal-parameter"
    /// More empty records, warnings or key updates in a row than anybody needs.
    case flood
    /// The sequence number has come to its end.
    case exhausted
    /// A fatal alert arrived; nothing is answered.
    case alerted

    /// Its place among all of them, for counters.
    package var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The description of the alert (RFC 8446, B.2); `nil`: none is sent.
    package var alert: UInt8? {
        switch self {
        case .unexpectedMessage, .flood: 10
        case .badRecordMAC: 20
        case .recordOverflow: 22
        case .illegalParameter: 47
        case .decodeError: 50
        case .exhausted: 80
        case .alerted: nil
        }
    }
}
