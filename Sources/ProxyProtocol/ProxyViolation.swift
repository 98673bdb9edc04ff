// Every rule of the PROXY protocol that a sender can break, with its name for counters and logs.

/// The rule that a PROXY header broke; the connection is closed without an answer.
///
/// Counters are arrays indexed by `rawValue`; ``name`` is stable and appears in metrics, logs and manuals.
package enum ProxyViolation: Int, Error, CaseIterable, Sendable {
    case notProxy, versionNotAccepted, lineTooLong, line, address, port
    case version, command, family, addressLength, headerTooLong
    case tlvTruncated, tlvTooMany, tlvDuplicate, tlvLength, checksum

    /// The stable name: `tlv-duplicate`.
    package var name: String { row.0 }

    /// The rule in a few words.
    package var rule: String { row.1 }

    private var row: (String, String) {
        switch self {
        case .notProxy: ("not-proxy", "the first bytes are no PROXY header")
        case .versionNotAccepted: ("version-not-accepted", "a PROXY header of a version this listener does not accept")
        case .lineTooLong: ("line-too-long", "version 1: no end of line within 107 bytes")
        case .line: ("line", "version 1: not five words with single spaces between them")
        case .address: ("address", "version 1: an address that is none of its family")
        case .port: ("port", "version 1: a port that is not 0 to 65535, or begins with a zero")
        case .version: ("version", "version 2: a version in the thirteenth byte that is not 2")
        case .command: ("command", "version 2: a command that is neither LOCAL nor PROXY")
        case .family: ("family", "version 2: an address family or transport that does not exist")
        case .addressLength: ("address-length", "version 2: shorter than the addresses of its family")
        case .headerTooLong: ("header-too-long", "version 2: longer than this listener accepts")
        case .tlvTruncated: ("tlv-truncated", "version 2: a TLV that ends beyond what holds it")
        case .tlvTooMany: ("tlv-too-many", "version 2: more TLVs than this listener accepts")
        case .tlvDuplicate: ("tlv-duplicate", "version 2: a TLV twice that says one thing")
        case .tlvLength: ("tlv-length", "version 2: a TLV of a length its type does not have")
        case .checksum: ("checksum", "version 2: the CRC-32C is wrong")
        }
    }
}
