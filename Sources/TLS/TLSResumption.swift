// What a client needs to resume a session: used by those who measure what resuming costs.

import COpenSSL

/// A session that a server will resume, with its ticket or identifier. Holds secrets; it never leaves the process.
///
/// Safe to use: the library's handle never leaves this target.
@safe package final class TLSResumption: Sendable {
    // Sound: owned, never changed; the library counts its references atomically.
    nonisolated(unsafe) let handle: OpaquePointer

    init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    /// Another session with the same secrets. The library forbids to resume a session again once a connection that had it
    /// ends without close_notify, so each connection gets its own.
    func copy() -> TLSResumption? {
        // Sound: the copy is the caller's.
        guard let copy = unsafe SSL_SESSION_dup(handle) else { return nil }
        return unsafe TLSResumption(owning: copy)
    }

    // Sound: owned by this object alone.
    deinit { unsafe SSL_SESSION_free(handle) }
}

extension TLSSession {
    /// The session as far as a client can resume it; `nil` before the server has sent a ticket, which in TLS 1.3 it does
    /// behind the handshake.
    package var resumption: TLSResumption? {
        // Sound: the session comes with a reference of its own.
        guard state == .established, let session = unsafe SSL_get1_session(handle) else { return nil }
        guard let resumption = unsafe TLSResumption(owning: session).copy() else { return nil }
        return unsafe SSL_SESSION_is_resumable(resumption.handle) == 1 ? resumption : nil
    }
}
