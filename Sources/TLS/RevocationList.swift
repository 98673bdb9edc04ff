// A certificate revocation list in the hands of this target.

import COpenSSL
import Glibc

/// One X.509 revocation list; never changed.
///
/// Safe to use: the library's object is owned here and only ever read.
@safe final class RevocationList: Sendable {
    // Sound: read by many threads at once; the library locks what it computes late.
    nonisolated(unsafe) let handle: OpaquePointer

    /// Reads the binary encoding (DER); `nil` when it is none.
    init?(encoded bytes: [UInt8]) {
        ERR_clear_error()
        // Sound: the array is lent with its count; the call moves only its own copy of the pointer.
        let handle = unsafe bytes.withUnsafeBufferPointer { buffer in
            var next = buffer.baseAddress
            return unsafe d2i_X509_CRL(nil, &next, buffer.count)
        }
        ERR_clear_error()
        guard let handle = unsafe handle else { return nil }
        unsafe self.handle = unsafe handle
    }

    deinit { unsafe X509_CRL_free(handle) }

    /// Whether the authority bears the name this list was issued under.
    func isIssued(by authority: Certificate) -> Bool {
        // Sound: both names are borrowed from objects that live through the call.
        unsafe X509_NAME_cmp(X509_CRL_get_issuer(handle), X509_get_subject_name(authority.handle)) == 0
    }

    /// When the next list is due, in seconds since 1970; from then on this one makes every certificate of its authority
    /// invalid. `nil`: never.
    var nextUpdate: Int64? {
        guard let time = unsafe X509_CRL_get0_nextUpdate(handle) else { return nil }
        var calendar = unsafe tm()
        // Sound: the call fills the structure it is lent.
        guard unsafe ASN1_TIME_to_tm(time, &calendar) == 1 else { return nil }
        return Int64(unsafe timegm(&calendar))
    }
}
