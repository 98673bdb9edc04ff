// The AEADs of libcrypto, keyed for each record: the only thing of OpenSSL that an established session needs.

import COpenSSL

/// Seals and opens for all sessions of one thread; holds no session's state.
///
/// Six contexts, one for each suite and direction. They are keyed anew when another session's record comes, and kept
/// when the same keys come again: a burst of one session pays for its keys once.
///
/// Safe to use: the library's handles never leave this object, and every range is checked against its span.
@safe package final class RecordCipher {
    /// Bytes of a tag (RFC 8446, 5.2; RFC 5288, 3).
    package static let tagLength = 16

    /// Whose keys a context holds: a session's owner mark and the generation of its keys.
    private struct Holder: Equatable {
        var owner: UInt64
        var generation: UInt32
    }

    private var sealing: [OpaquePointer] = unsafe []
    private var opening: [OpaquePointer] = unsafe []
    private var ciphers: [OpaquePointer] = unsafe []
    private var sealingHolders: [Holder?]
    private var openingHolders: [Holder?]

    /// Fetches the three AEADs once.
    ///
    /// - Throws: `library` when OpenSSL lacks one of them.
    package init() throws(TLSError) {
        sealingHolders = .init(repeating: nil, count: RecordSuite.allCases.count)
        openingHolders = sealingHolders
        ERR_clear_error()
        for suite in RecordSuite.allCases {
            guard let cipher = unsafe EVP_CIPHER_fetch(nil, suite.cipherName, nil) else {
                throw .library("EVP_CIPHER_fetch \(suite.cipherName)")
            }
            unsafe ciphers.append(cipher)
            unsafe sealing.append(try Self.context(cipher, isSealing: true))
            unsafe opening.append(try Self.context(cipher, isSealing: false))
        }
    }

    // Sound: all were made in init and are owned by this object alone.
    deinit {
        unsafe sealing.forEach { unsafe EVP_CIPHER_CTX_free($0) }
        unsafe opening.forEach { unsafe EVP_CIPHER_CTX_free($0) }
        unsafe ciphers.forEach { unsafe EVP_CIPHER_free($0) }
    }

    private static func context(_ cipher: OpaquePointer, isSealing: Bool) throws(TLSError) -> OpaquePointer {
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw .library("EVP_CIPHER_CTX_new") }
        guard unsafe EVP_CipherInit_ex2(context, cipher, nil, nil, isSealing ? 1 : 0, nil) == 1 else {
            unsafe EVP_CIPHER_CTX_free(context)
            throw .library("EVP_CipherInit_ex2")
        }
        return unsafe context
    }

    /// Forgets whose keys the contexts hold, for when an owner mark is given to another session.
    package func forget(_ owner: UInt64) {
        for index in sealingHolders.indices {
            if sealingHolders[index]?.owner == owner { sealingHolders[index] = nil }
            if openingHolders[index]?.owner == owner { openingHolders[index] = nil }
        }
    }

    /// Encrypts `count` bytes of `buffer` from `start` on, in place, and writes the tag behind them.
    ///
    /// - Parameters:
    ///   - owner: whose keys they are; the same number for another session's keys would encrypt with the wrong ones.
    ///     0: nobody in particular, keyed each time.
    ///   - header: the additional data.
    /// - Returns: whether it was done; `false` is libcrypto's failure, and then the range holds nothing of use.
    func seal(
        _ suite: RecordSuite, _ keys: RecordKeys, owner: UInt64, nonce: InlineArray<12, UInt8>,
        header: Span<UInt8>, _ buffer: inout MutableSpan<UInt8>, start: Int, count: Int
    ) -> Bool {
        precondition(start >= 0 && count >= 0 && start + count + Self.tagLength <= buffer.count)
        let place = Int(suite.rawValue) - 1
        let context = unsafe sealing[place]
        let holder = Holder(owner: owner, generation: keys.generation)
        let isKeyed = owner != 0 && sealingHolders[place] == holder
        sealingHolders[place] = nil
        var length: Int32 = 0
        // Sound: every range was checked above; the library reads the key, nonce and header it is lent, and writes
        // `count` bytes in place (allowed for these modes) and the tag behind them.
        let done = unsafe buffer.withUnsafeMutableBufferPointer { bytes -> Bool in
            let at = unsafe bytes.baseAddress.unsafelyUnwrapped + start
            return unsafe keys.key.span.withUnsafeBufferPointer { key in
                unsafe nonce.span.withUnsafeBufferPointer { nonce in
                    unsafe header.withUnsafeBufferPointer { header in
                        unsafe EVP_CipherInit_ex2(
                            context, nil, isKeyed ? nil : key.baseAddress, nonce.baseAddress, 1, nil) == 1
                            && EVP_EncryptUpdate(context, nil, &length, header.baseAddress, Int32(header.count)) == 1
                            && EVP_EncryptUpdate(context, at, &length, at, Int32(count)) == 1
                            && Int(length) == count && EVP_EncryptFinal_ex(context, at + count, &length) == 1
                            && EVP_CIPHER_CTX_ctrl(
                                context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagLength), at + count) == 1
                    }
                }
            }
        }
        if done, owner != 0 { sealingHolders[place] = holder }
        return done
    }

    /// Decrypts a record's body into `output` from `start` on, and only then says whether it is genuine.
    ///
    /// - Parameter body: the ciphertext and, behind it, the tag.
    /// - Returns: `false` when the tag does not verify; then the output was overwritten with zeroes.
    func open(
        _ suite: RecordSuite, _ keys: RecordKeys, owner: UInt64, nonce: InlineArray<12, UInt8>,
        header: Span<UInt8>, body: Span<UInt8>, into output: inout MutableSpan<UInt8>, at start: Int
    ) -> Bool {
        let count = body.count - Self.tagLength
        precondition(count >= 0 && start >= 0 && start + count <= output.count)
        let place = Int(suite.rawValue) - 1
        let context = unsafe opening[place]
        let holder = Holder(owner: owner, generation: keys.generation)
        let isKeyed = owner != 0 && openingHolders[place] == holder
        openingHolders[place] = nil
        var length: Int32 = 0
        // Sound: every range was checked above; the library reads what it is lent and writes `count` bytes. It takes
        // the expected tag through a pointer it does not write to.
        let done = unsafe output.withUnsafeMutableBufferPointer { bytes -> Bool in
            let at = unsafe bytes.baseAddress.map { unsafe $0 + start }
            let isGenuine = unsafe keys.key.span.withUnsafeBufferPointer { key in
                unsafe nonce.span.withUnsafeBufferPointer { nonce in
                    unsafe header.withUnsafeBufferPointer { header in
                        unsafe body.withUnsafeBufferPointer { body in
                            let tag = unsafe UnsafeMutablePointer(mutating: body.baseAddress.unsafelyUnwrapped + count)
                            return unsafe EVP_CipherInit_ex2(
                                context, nil, isKeyed ? nil : key.baseAddress, nonce.baseAddress, 0, nil) == 1
                                && EVP_DecryptUpdate(context, nil, &length, header.baseAddress, Int32(header.count))
                                    == 1
                                && EVP_DecryptUpdate(context, at, &length, body.baseAddress, Int32(count)) == 1
                                && Int(length) == count
                                && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagLength), tag) == 1
                                && EVP_DecryptFinal_ex(context, at.map { unsafe $0 + count }, &length) == 1
                        }
                    }
                }
            }
            if !isGenuine, count > 0 { unsafe OPENSSL_cleanse(at, count) }
            return isGenuine
        }
        if done, owner != 0 { openingHolders[place] = holder }
        return done
    }
}
