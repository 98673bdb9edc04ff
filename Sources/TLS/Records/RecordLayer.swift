// Reading and writing the records of an established session (RFC 8446, 5; RFC 5246, 6).

/// The record layer: what OpenSSL does behind SSL_read and SSL_write, over plain data.
///
/// Nothing here keeps anything: the state comes in and goes out with each record, so that its owner decides when a step
/// counts. A step that is done again from the same state over the same bytes gives the same bytes.
package enum RecordLayer {
    /// Bytes of a record's header.
    package static let headerLength = 5
    /// Most plaintext bytes of a record (RFC 8446, 5.1).
    package static let maximumPlaintext = 16_384
    /// Most bytes of a whole record that is read: 256 beyond the plaintext in TLS 1.3 (RFC 8446, 5.2), 2048 in 1.2.
    package static let maximumRecord = headerLength + maximumPlaintext + 2048
    /// Records without content accepted in a row, as OpenSSL accepts.
    package static let maximumEmptyRecords = 32
    /// Warning alerts accepted in a row, as OpenSSL accepts.
    package static let maximumWarnings = 4
    /// KeyUpdates accepted without application data between them: each costs a derivation for 27 bytes of attack.
    package static let maximumUpdates = 32

    /// Content types (RFC 8446, B.1).
    package enum ContentType {
        static let changeCipherSpec: UInt8 = 20
        static let alert: UInt8 = 21
        static let handshake: UInt8 = 22
        package static let applicationData: UInt8 = 23
    }

    /// Bytes of a sealed record around its plaintext.
    package static func overhead(_ parameters: RecordParameters) -> Int {
        switch parameters.version {
        case .tls13: headerLength + 1 + RecordCipher.tagLength
        case .tls12: headerLength + parameters.suite.explicitNonceLength + RecordCipher.tagLength
        }
    }

    /// The length of the record that begins here; `nil` until its header is whole.
    ///
    /// - Throws: `recordOverflow`, `unexpectedMessage` before the rest is waited for.
    package static func length(
        of bytes: Span<UInt8>, _ parameters: RecordParameters
    ) throws(RecordViolation) -> Int? {
        guard bytes.count >= headerLength else { return nil }
        let type = bytes[0]
        let count = Int(bytes[3]) << 8 | Int(bytes[4])
        switch parameters.version {
        case .tls13:
            // The outer type of what is encrypted is always application data; change_cipher_spec has no place any more.
            guard type == ContentType.applicationData else { throw .unexpectedMessage }
            guard count <= maximumPlaintext + 256 else { throw .recordOverflow }
            guard count > RecordCipher.tagLength else { throw .badRecordMAC }
        case .tls12:
            guard (ContentType.alert...ContentType.applicationData).contains(type) else { throw .unexpectedMessage }
            guard bytes[1] == 3, bytes[2] == 3 else { throw .decodeError }
            guard count <= maximumPlaintext + 2048 else { throw .recordOverflow }
            guard count >= parameters.suite.explicitNonceLength + RecordCipher.tagLength else { throw .badRecordMAC }
        }
        return headerLength + count
    }

    // MARK: Sealing

    /// Seals one record: at most ``RecordParameters/maximumFragment`` bytes of plaintext.
    ///
    /// - Parameters:
    ///   - output: takes ``overhead(_:)`` more bytes than the plaintext, from `start` on.
    /// - Returns: bytes written.
    /// - Throws: `exhausted` when no further record may be sealed with these keys.
    package static func seal(
        _ plaintext: Span<UInt8>, type: UInt8 = ContentType.applicationData, _ parameters: RecordParameters,
        _ keys: inout RecordKeys, _ cipher: RecordCipher, owner: UInt64, into output: inout MutableSpan<UInt8>,
        at start: Int
    ) throws(RecordViolation) -> Int {
        let count = plaintext.count
        precondition(count <= maximumPlaintext && start + count + overhead(parameters) <= output.count)
        // The last number is never used: what would come after it is record 0 again.
        guard keys.sequence < .max else { throw .exhausted }
        let sequence = keys.sequence
        let explicit = parameters.version == .tls12 ? parameters.suite.explicitNonceLength : 0
        let body = start + headerLength + explicit
        var inner = count
        // Sound: both ranges were checked above, and a span never overlaps memory that is lent for writing.
        unsafe output.withUnsafeMutableBytes { to in
            unsafe plaintext.withUnsafeBytes { from in
                guard count > 0 else { return }
                unsafe to.baseAddress.unsafelyUnwrapped.advanced(by: body)
                    .copyMemory(from: from.baseAddress.unsafelyUnwrapped, byteCount: count)
            }
        }
        if parameters.version == .tls13 {
            output[body + count] = type
            inner += 1
        }
        let length = explicit + inner + RecordCipher.tagLength
        output[start] = parameters.version == .tls13 ? ContentType.applicationData : type
        output[start + 1] = 3
        output[start + 2] = 3
        output[start + 3] = UInt8(truncatingIfNeeded: length >> 8)
        output[start + 4] = UInt8(truncatingIfNeeded: length)
        let done: Bool
        switch parameters.version {
        case .tls13:
            var header = InlineArray<5, UInt8>(repeating: 0)
            for index in 0..<headerLength { header[index] = output[start + index] }
            done = cipher.seal(
                parameters.suite, keys, owner: owner, nonce: RecordNonce.masked(keys.iv, sequence),
                header: header.span, &output, start: body, count: inner)
        case .tls12:
            let nonce: InlineArray<12, UInt8>
            if explicit > 0 {
                let number = keys.explicitBase &+ sequence
                nonce = RecordNonce.salted(keys.iv, number)
                for index in 0..<explicit { output[start + headerLength + index] = nonce[4 + index] }
            } else {
                nonce = RecordNonce.masked(keys.iv, sequence)
            }
            let header = RecordNonce.legacyHeader(sequence, type, count)
            done = cipher.seal(
                parameters.suite, keys, owner: owner, nonce: nonce, header: header.span, &output, start: body,
                count: inner)
        }
        // libcrypto fails only when it is out of memory; nothing of this record may leave then.
        guard done else { throw .exhausted }
        keys.sequence += 1
        return headerLength + length
    }

    /// An alert (RFC 8446, 6): `level` 1 warning, 2 fatal.
    package static func sealAlert(
        level: UInt8, _ description: UInt8, _ parameters: RecordParameters, _ keys: inout RecordKeys,
        _ cipher: RecordCipher, owner: UInt64, into output: inout MutableSpan<UInt8>, at start: Int
    ) throws(RecordViolation) -> Int {
        let alert: InlineArray<2, UInt8> = [level, description]
        return try seal(
            alert.span, type: ContentType.alert, parameters, &keys, cipher, owner: owner, into: &output, at: start)
    }

    /// A KeyUpdate under the old keys (RFC 8446, 4.6.3), and then the new keys.
    package static func sealKeyUpdate(
        isRequesting: Bool, _ parameters: RecordParameters, _ keys: inout RecordKeys, _ cipher: RecordCipher,
        owner: UInt64, into output: inout MutableSpan<UInt8>, at start: Int
    ) throws(RecordViolation) -> Int {
        precondition(parameters.version == .tls13, "TLS 1.2 has no KeyUpdate")
        let message: InlineArray<5, UInt8> = [24, 0, 0, 1, isRequesting ? 1 : 0]
        let count = try seal(
            message.span, type: ContentType.handshake, parameters, &keys, cipher, owner: owner, into: &output,
            at: start)
        guard TrafficKeys.advance(&keys, parameters.suite) else { throw .exhausted }
        return count
    }

    /// Whether our direction needs new keys before it goes on; TLS 1.2 has no way to new ones and closes instead.
    package static func isSpent(_ keys: borrowing RecordKeys, _ parameters: RecordParameters) -> Bool {
        keys.sequence >= parameters.suite.recordLimit
    }
}
