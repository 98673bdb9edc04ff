// The library's object behind a context.

import COpenSSL

/// Owns the library's object: freed with the last who refers to it.
@safe final class ContextHandle: Sendable {
    // Sound: set up before anybody else sees it; then the library counts references and locks its session cache.
    nonisolated(unsafe) let handle: OpaquePointer

    /// - Throws: `library`.
    init(_ role: TLSContext.Role) throws(TLSError) {
        ERR_clear_error()
        let method = unsafe role == .client ? TLS_client_method() : TLS_server_method()
        guard let handle = unsafe SSL_CTX_new(method) else { throw .library("SSL_CTX_new") }
        unsafe self.handle = unsafe handle
    }

    // Sound: sessions keep their context, which keeps this object, so nobody uses the handle any more.
    deinit { unsafe SSL_CTX_free(handle) }
}
