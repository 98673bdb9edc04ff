// What went wrong with a TLS session, as a kind for programs and OpenSSL's words for people.

import COpenSSL

/// The end of a TLS session that did not end well.
///
/// The peer's mistake, or ours in being configured unlike the peer; never the kernel's.
package struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a program, a counter or an operator's first look needs to tell apart.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The two sides do not have the same pre-shared secret (RFC 8446, 4.2.11.2: the binder does not verify).
        case wrongSecret = "wrong-secret"
        /// The other side did not offer or accept a pre-shared key at all.
        case missingSecret = "missing-secret"
        /// The identity is not the one expected here: another node's name, or our own connection come back to us.
        case wrongIdentity = "wrong-identity"
        /// The other side's certificate is not one we take; the reason says why.
        case untrusted
        /// A certificate is required and the other side showed none.
        case noCertificate = "no-certificate"
        /// There is no version, suite or group that both sides take.
        case noAgreement = "no-agreement"
        /// The other side refused with an alert that says nothing more particular.
        case refused
        /// What arrived is not TLS, or not as the standard has it.
        case malformed
        /// The stream ended without close_notify (RFC 8446, 6.1).
        case truncated
        /// The session is over; nothing can be sent on it.
        case closed
        /// OpenSSL could not do what it was asked for here: no memory, no such algorithm.
        case library
    }

    package var kind: Kind
    /// OpenSSL's reason, or a sentence.
    package var reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    /// `wrong-secret: binder does not verify`.
    package var description: String { "\(kind.rawValue): \(reason)" }

    /// The oldest entry of OpenSSL's error queue of this thread, which is emptied; `nil` when there is none.
    static func takeQueue() -> (code: Int32, text: String)? {
        let error = ERR_get_error()
        guard error != 0 else { return nil }
        ERR_clear_error()
        // Sound: the library's texts are static C strings; copied at once.
        let text = unsafe ERR_reason_error_string(error).map { unsafe String(cString: $0) }
        return (ERR_GET_REASON(error), text ?? "OpenSSL error \(error)")
    }

    /// The error of a library call that has no business failing.
    static func library(_ call: String) -> TLSError {
        TLSError(.library, "\(call): \(takeQueue()?.text ?? "failed without a reason")")
    }
}
