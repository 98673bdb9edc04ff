// The AEADs of libcrypto, keyed for each record: the only thing of OpenSSL that an established session needs.

import COpenSSL

/// Seals and opens for all sessions of one thread; holds no session's state.
///
/// Contexts are few and shared: a session finds its own by its mark, keyed anew when another session's keys are in it and
/// kept when its own still are. So a busy session pays for its keys once, an idle one has no context, and no record
/// allocates once the contexts are there.
///
/// Safe to use: the library's handles never leave this object, and every range is checked against its span.
@safe package final class RecordCipher {
    /// Bytes of a tag (RFC 8446, 5.2; RFC 5288, 3).
    package static let tagLength = 16
    /// Most contexts for one suite and direction, of about 1.2 KB each; a power of two.
    package static let contexts = 64

    /// Whose keys a context holds: a session's owner mark and the generation of its keys.
    private struct Holder: Equatable {
        var owner: UInt64
        var generation: UInt32
    }

    /// One context, made when it is first wanted. Safe: the handle goes nowhere else.
    @safe private struct Entry {
        var context: OpaquePointer?
        var holder: Holder?
    }

    private var entries: [Entry]
    private var ciphers: [OpaquePointer] = unsafe []

    /// Fetches the three AEADs once.
    ///
    /// - Throws: `library` when OpenSSL lacks one of them.
    package init() throws(TLSError) {
        entries = Array(repeating: Entry(), count: RecordSuite.allCases.count * 2 * Self.contexts)
        ERR_clear_error()
        for suite in RecordSuite.allCases {
            guard let cipher = unsafe EVP_CIPHER_fetch(nil, suite.cipherName, nil) else {
                throw .library("EVP_CIPHER_fetch \(suite.cipherName)")
            }
            unsafe ciphers.append(cipher)
        }
    }

    // Sound: all were made by this object and are owned by it alone.
    deinit {
        entries.forEach { unsafe EVP_CIPHER_CTX_free($0.context) }
        unsafe ciphers.forEach { unsafe EVP_CIPHER_free($0) }
    }

    /// Where the context for an owner is, if there is one.
    private func place(_ suite: RecordSuite, isSealing: Bool, _ owner: UInt64) -> Int {
        // The upper half of a product mixes all bits of the mark.
        let mixed = Int(truncatingIfNeeded: (owner &* 0x9E37_79B9_7F4A_7C15) >> 48) & (Self.contexts - 1)
        return ((Int(suite.rawValue) - 1) * 2 + (isSealing ? 1 : 0)) * Self.contexts + mixed
    }

    /// The context at a place; `nil` when libcrypto has no memory for it.
    ///
    /// All contexts of a suite and direction are made when one is first wanted, so that they lie together.
    private func context(_ place: Int, _ suite: RecordSuite, isSealing: Bool) -> OpaquePointer? {
        if let known = unsafe entries[place].context { return unsafe known }
        let cipher = unsafe ciphers[Int(suite.rawValue) - 1]
        let first = place / Self.contexts * Self.contexts
        for place in first..<first + Self.contexts {
            guard unsafe entries[place].context == nil else { continue }
            guard let context = unsafe EVP_CIPHER_CTX_new() else { break }
            guard unsafe EVP_CipherInit_ex2(context, cipher, nil, nil, isSealing ? 1 : 0, nil) == 1 else {
                unsafe EVP_CIPHER_CTX_free(context)
                break
            }
            unsafe entries[place].context = unsafe context
        }
        return unsafe entries[place].context
    }

    /// Forgets the keys of an owner: the contexts that hold them are wiped.
    package func forget(_ owner: UInt64, _ suite: RecordSuite) {
        for isSealing in [false, true] {
            let place = place(suite, isSealing: isSealing, owner)
            guard entries[place].holder?.owner == owner else { continue }
            entries[place].holder = nil
            // The key schedule is that of zeroes from here on.
            let zeroes = InlineArray<32, UInt8>(repeating: 0)
            // Sound: the context is this object's; the library reads what it is lent.
            let done = unsafe zeroes.span.withUnsafeBufferPointer { zeroes in
                unsafe EVP_CipherInit_ex2(
                    entries[place].context, nil, zeroes.baseAddress, zeroes.baseAddress, isSealing ? 1 : 0, nil)
            }
            if done != 1 {
                // libcrypto overwrites what a context holds when it is freed, too.
                unsafe EVP_CIPHER_CTX_free(entries[place].context)
                unsafe entries[place].context = nil
            }
        }
    }

    /// Whether a context holds keys of an owner, for tests.
    package func holds(_ owner: UInt64, _ suite: RecordSuite) -> Bool {
        [false, true].contains { entries[place(suite, isSealing: $0, owner)].holder?.owner == owner }
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
        let place = place(suite, isSealing: true, owner)
        guard let context = unsafe context(place, suite, isSealing: true) else { return false }
        let holder = Holder(owner: owner, generation: keys.generation)
        let isKeyed = owner != 0 && entries[place].holder == holder
        entries[place].holder = nil
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
        if done, owner != 0 { entries[place].holder = holder }
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
        let place = place(suite, isSealing: false, owner)
        guard let context = unsafe context(place, suite, isSealing: false) else { return false }
        let holder = Holder(owner: owner, generation: keys.generation)
        let isKeyed = owner != 0 && entries[place].holder == holder
        entries[place].holder = nil
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
        if done, owner != 0 { entries[place].holder = holder }
        return done
    }
}
