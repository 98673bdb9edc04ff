// HMAC under one secret after another: what all keys of records are derived with.

import COpenSSL

/// HMAC (RFC 2104) with the hash of a suite, keyed once for all that is derived from a secret.
///
/// Safe to use: the library's handles never leave this object, and every range is lent with its count.
@safe final class SecretHash {
    /// Room for the longest output of any hash.
    static let room = 64

    // Sound: fetched once, counted by the library, never changed and never freed. A fetch for each use costs more than the hash.
    nonisolated(unsafe) private static let algorithm = unsafe EVP_MAC_fetch(nil, "HMAC", nil)

    /// The last output; its first ``RecordSuite/hashLength`` bytes.
    private(set) var block = InlineArray<64, UInt8>(repeating: 0)
    /// Owned.
    private let context: OpaquePointer
    private let length: Int

    /// Not keyed yet; `nil` when libcrypto cannot.
    init?(_ suite: RecordSuite) {
        guard let algorithm = unsafe Self.algorithm, let context = unsafe EVP_MAC_CTX_new(algorithm) else { return nil }
        unsafe self.context = unsafe context
        length = suite.hashLength
        // Sound: the library copies what it needs of the name during the call.
        guard unsafe cssl_mac_set_digest(context, suite.hashName) == 1 else { return nil }
    }

    deinit {
        // Sound: owned by this object alone; freeing it overwrites the key. The block is overwritten in place.
        unsafe EVP_MAC_CTX_free(context)
        unsafe withUnsafeMutableBytes(of: &block) { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
    }

    /// Goes on with another secret, of at least a byte; `false` when libcrypto fails.
    func key(_ secret: Span<UInt8>) -> Bool {
        precondition(!secret.isEmpty)
        return unsafe secret.withUnsafeBufferPointer { unsafe EVP_MAC_init(context, $0.baseAddress, $0.count, nil) } == 1
    }

    /// Hashes a message, in one or two pieces, into ``block``; `false` when libcrypto fails.
    func hash(_ message: Span<UInt8>, _ rest: Span<UInt8> = Span()) -> Bool {
        var written = 0
        // Begins anew under the same key.
        guard unsafe EVP_MAC_init(context, nil, 0, nil) == 1 else { return false }
        // Sound: both pieces are lent with their counts, and at most the block's own count is written.
        let isDone = unsafe message.withUnsafeBufferPointer { unsafe EVP_MAC_update(context, $0.baseAddress, $0.count) == 1 }
            && rest.withUnsafeBufferPointer { unsafe $0.isEmpty || EVP_MAC_update(context, $0.baseAddress, $0.count) == 1 }
            && withUnsafeMutableBytes(of: &block) { bytes in
                unsafe EVP_MAC_final(
                    context, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &written, bytes.count) == 1
            }
        return isDone && written == length
    }

    /// HKDF-Expand-Label without a context (RFC 8446, 7.1), for one block of the hash at most: one HMAC.
    func expand(_ label: StaticString, _ count: Int) -> Bool {
        precondition(count <= length)
        let prefix: StaticString = "tls13 "
        var info = InlineArray<32, UInt8>(repeating: 0)
        info[0] = UInt8(count >> 8)
        info[1] = UInt8(count & 255)
        info[2] = UInt8(prefix.utf8CodeUnitCount + label.utf8CodeUnitCount)
        var next = 3
        for text in [prefix, label] {
            precondition(next + text.utf8CodeUnitCount + 2 <= info.count)
            for index in 0..<text.utf8CodeUnitCount {
                // Sound: a static text's own bytes, as many as there are.
                info[next] = unsafe text.utf8Start[index]
                next += 1
            }
        }
        // No context; the number of the block.
        info[next] = 0
        info[next + 1] = 1
        return hash(info.span.extracting(0..<next + 2))
    }
}
