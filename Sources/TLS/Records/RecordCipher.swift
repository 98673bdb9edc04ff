// The AEADs of libcrypto, keyed for each record: the only thing of OpenSSL that an established session needs.

import COpenSSL

/// Seals and opens for all sessions of one thread; holds no session's state.
///
/// Contexts are few. Each suite and direction has one that is keyed anew for whoever comes; sessions that are busy get one of
/// their own for a while, which saves them the keying. So an idle session has no context, and no record allocates once a
/// busy one has its own.
///
/// Safe to use: the library's handles never leave this object, and every range is checked against its span.
@safe package final class RecordCipher {
    /// Bytes of a tag (RFC 8446, 5.2; RFC 5288, 3).
    package static let tagLength = 16
    /// Most contexts of busy sessions for one direction, of about 1.2 KB each; a power of two.
    package static let contexts = 1024
    /// Records of a session in a row, with less than a second or two between them, that make it busy.
    package static let busyRecords: UInt8 = 4
    /// Nanoseconds of a period: what records are counted in.
    private static let period: Int64 = 1_000_000_000
    /// Periods without a record after which a context of a session's own is freed.
    private static let restingPeriods: UInt32 = 10
    /// Contexts that are looked at in a period, to find those to be freed.
    private static let swept = 256

    /// One context, made when it is first wanted, and whose keys it has or is to have. Safe: the handle goes nowhere else.
    @safe private struct Entry {
        var context: OpaquePointer?
        /// The session's mark; 0: nobody's.
        var owner: UInt64 = 0
        /// The suite of its records.
        var suite = RecordSuite.aes128GCM
        /// The generation of the keys in the context, when ``isKeyed``.
        var generation: UInt32 = 0
        /// The period of the owner's last record.
        var period: UInt32 = 0
        /// Records of the owner in a row.
        var uses: UInt8 = 0
        /// The context has the owner's keys.
        var isKeyed = false
    }

    /// Those of busy sessions by direction, then the common ones by suite and direction.
    private var entries: [Entry]
    private var ciphers: [OpaquePointer] = unsafe []
    /// Periods since the beginning, when the next one comes, and the entry that is looked at next.
    private var period: UInt32 = 0
    private var nextPeriod: Int64 = 0
    private var hand = 0

    /// Fetches the three AEADs once.
    ///
    /// - Throws: `library` when OpenSSL lacks one of them.
    package init() throws(TLSError) {
        entries = Array(repeating: Entry(), count: 2 * Self.contexts + 2 * RecordSuite.allCases.count)
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

    // MARK: Contexts

    /// Where an owner's own context is, if it has one.
    private func ownPlace(isSealing: Bool, _ owner: UInt64) -> Int {
        // Marks of sessions count slots from their second bit on; the first one is the side. Slots in use lie close together.
        let place = Int(truncatingIfNeeded: (owner >> 1) &+ (owner & 1) &* UInt64(Self.contexts / 2)) & (Self.contexts - 1)
        return place + (isSealing ? Self.contexts : 0)
    }

    private func commonPlace(_ suite: RecordSuite, isSealing: Bool) -> Int {
        2 * Self.contexts + (Int(suite.rawValue) - 1) * 2 + (isSealing ? 1 : 0)
    }

    /// The place of the context for an owner's next record: its own when it is busy.
    private func place(_ suite: RecordSuite, isSealing: Bool, _ owner: UInt64) -> Int {
        let common = commonPlace(suite, isSealing: isSealing)
        guard owner != 0 else { return common }
        let own = ownPlace(isSealing: isSealing, owner)
        let isRecent = period &- entries[own].period <= 1
        if entries[own].owner == owner, entries[own].suite == suite {
            entries[own].uses = isRecent ? min(entries[own].uses, .max - 1) + 1 : 1
            entries[own].period = period
            return unsafe entries[own].context != nil || entries[own].uses >= Self.busyRecords ? own : common
        }
        // Somebody else's, who keeps it while it is busy.
        if isRecent, entries[own].uses >= Self.busyRecords, entries[own].owner != owner { return common }
        release(own)
        entries[own].owner = owner
        entries[own].suite = suite
        entries[own].period = period
        entries[own].uses = 1
        return common
    }

    /// The context at a place; `nil` when libcrypto has no memory for it.
    private func context(_ place: Int, _ suite: RecordSuite, isSealing: Bool) -> OpaquePointer? {
        if let known = unsafe entries[place].context { return unsafe known }
        guard let context = unsafe EVP_CIPHER_CTX_new() else { return nil }
        guard unsafe EVP_CipherInit_ex2(context, ciphers[Int(suite.rawValue) - 1], nil, nil, isSealing ? 1 : 0, nil) == 1 else {
            unsafe EVP_CIPHER_CTX_free(context)
            return nil
        }
        unsafe entries[place].context = unsafe context
        return unsafe context
    }

    /// Frees a context, which overwrites its keys, and forgets whose it was.
    private func release(_ place: Int) {
        // Sound: the context is this object's, and forgotten with it. `nil` is nothing to be freed.
        unsafe EVP_CIPHER_CTX_free(entries[place].context)
        entries[place] = Entry()
    }

    /// Frees contexts of sessions that are not busy any more; a bounded number of them is looked at.
    ///
    /// - Parameter now: nanoseconds of a clock that does not go back.
    @inline(__always)
    package func rest(at now: Int64) { if now >= nextPeriod { beginPeriod(now) } }

    private func beginPeriod(_ now: Int64) {
        nextPeriod = now + Self.period
        period &+= 1
        for _ in 0..<Self.swept {
            if unsafe entries[hand].context != nil, period &- entries[hand].period > Self.restingPeriods { release(hand) }
            hand = (hand + 1) % (2 * Self.contexts)
        }
    }

    /// Forgets the keys of an owner: the contexts that hold them are wiped.
    package func forget(_ owner: UInt64, _ suite: RecordSuite) {
        for isSealing in [false, true] {
            for place in [ownPlace(isSealing: isSealing, owner), commonPlace(suite, isSealing: isSealing)]
            where entries[place].owner == owner {
                release(place)
            }
        }
    }

    /// Whether a context holds keys of an owner, for tests.
    package func holds(_ owner: UInt64, _ suite: RecordSuite) -> Bool {
        [false, true].contains { isSealing in
            [ownPlace(isSealing: isSealing, owner), commonPlace(suite, isSealing: isSealing)].contains { place in
                entries[place].owner == owner && entries[place].isKeyed
            }
        }
    }

    /// Contexts of sessions' own, for tests.
    package var ownContexts: Int { entries.prefix(2 * Self.contexts).count { unsafe $0.context != nil } }

    /// Whether the context at a place has these keys; until a record is done it has none.
    @inline(__always)
    private func takeKeyed(_ place: Int, _ owner: UInt64, _ generation: UInt32) -> Bool {
        defer { entries[place].isKeyed = false }
        return owner != 0 && entries[place].isKeyed && entries[place].owner == owner
            && entries[place].generation == generation
    }

    @inline(__always)
    private func noteKeyed(_ place: Int, _ owner: UInt64, _ generation: UInt32) {
        entries[place].owner = owner
        entries[place].generation = generation
        entries[place].isKeyed = owner != 0
    }

    // MARK: Records

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
        let isKeyed = takeKeyed(place, owner, keys.generation)
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
                            && cssl_get_tag(context, at + count, Self.tagLength) == 1
                    }
                }
            }
        }
        if done { noteKeyed(place, owner, keys.generation) }
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
        let isKeyed = takeKeyed(place, owner, keys.generation)
        var length: Int32 = 0
        // Sound: every range was checked above; the library reads what it is lent and writes `count` bytes.
        let done = unsafe output.withUnsafeMutableBufferPointer { bytes -> Bool in
            let at = unsafe bytes.baseAddress.map { unsafe $0 + start }
            let isGenuine = unsafe keys.key.span.withUnsafeBufferPointer { key in
                unsafe nonce.span.withUnsafeBufferPointer { nonce in
                    unsafe header.withUnsafeBufferPointer { header in
                        unsafe body.withUnsafeBufferPointer { body in
                            let tag = unsafe body.baseAddress.unsafelyUnwrapped + count
                            return unsafe EVP_CipherInit_ex2(
                                context, nil, isKeyed ? nil : key.baseAddress, nonce.baseAddress, 0, nil) == 1
                                && EVP_DecryptUpdate(context, nil, &length, header.baseAddress, Int32(header.count))
                                    == 1
                                && EVP_DecryptUpdate(context, at, &length, body.baseAddress, Int32(count)) == 1
                                && Int(length) == count
                                && cssl_set_tag(context, tag, Self.tagLength) == 1
                                && EVP_DecryptFinal_ex(context, at.map { unsafe $0 + count }, &length) == 1
                        }
                    }
                }
            }
            if !isGenuine, count > 0 { unsafe OPENSSL_cleanse(at, count) }
            return isGenuine
        }
        if done { noteKeyed(place, owner, keys.generation) }
        return done
    }
}
