// The session's two ends over memory of the caller: nothing is allocated for a record.

import COpenSSL

extension TLSSession {
    /// Moves ciphertext for the network into `buffer` from `offset` on; how many bytes came, 0 when there are none.
    package func takeCiphertext(into buffer: inout MutableSpan<UInt8>, at offset: Int) -> Int {
        precondition(offset >= 0 && offset <= buffer.count)
        guard offset < buffer.count else { return 0 }
        var taken = 0
        let result = unsafe buffer.withUnsafeMutableBufferPointer { bytes in
            // Sound: the span's memory behind `offset` is lent with its count.
            unsafe BIO_read_ex(outgoing, bytes.baseAddress.map { unsafe $0 + offset }, bytes.count - offset, &taken)
        }
        guard result == 1 else { return 0 }
        witness?.pass(buffer.span.extracting(offset..<offset + taken))
        return taken
    }

    /// Decrypts at most one record, and at most `limit` bytes of it, into `buffer` from `offset` on; how many bytes came.
    /// 0: nothing more is here, and ``state`` tells whether more can come.
    ///
    /// - Throws: why the session failed.
    package func readPlaintext(
        into buffer: inout MutableSpan<UInt8>, at offset: Int, limit: Int
    ) throws(TLSError) -> Int {
        precondition(offset >= 0 && limit > 0 && offset + limit <= buffer.count)
        switch state {
        case .handshaking, .ended: return 0
        case .established, .closed: break
        case .failed(let error): throw error
        }
        ERR_clear_error()
        var count = 0
        let result = unsafe buffer.withUnsafeMutableBufferPointer { bytes in
            // Sound: the span's memory behind `offset` is lent with its count.
            unsafe SSL_read_ex(handle, bytes.baseAddress.map { unsafe $0 + offset }, limit, &count)
        }
        if result != 1 {
            try judge(result, "SSL_read")
            return 0
        }
        return count
    }
}
