// Keys out of traffic secrets (RFC 8446, 7) and out of the master secret of TLS 1.2 (RFC 5246, 6.3).

import COpenSSL

/// Derives what ``RecordKeys`` holds.
package enum TrafficKeys {
    /// The keys of a TLS 1.3 traffic secret; record 0 comes next. `nil` when libcrypto fails.
    package static func keys(secret: [UInt8], _ suite: RecordSuite) -> RecordKeys? {
        precondition(secret.count == suite.hashLength, "a secret of \(secret.count) bytes")
        var keys = RecordKeys()
        for index in 0..<secret.count { keys.secret[index] = secret[index] }
        return derive(&keys, secret, suite) ? keys : nil
    }

    /// The next generation (RFC 8446, 7.2); the old secret and keys are overwritten. `false` when libcrypto fails, and
    /// then nothing has changed.
    static func advance(_ keys: inout RecordKeys, _ suite: RecordSuite) -> Bool {
        var secret: [UInt8] = []
        secret.reserveCapacity(48)
        for index in 0..<suite.hashLength { secret.append(keys.secret[index]) }
        defer { wipe(&secret) }
        guard var next = expand(secret, "traffic upd", suite.hashLength, suite) else { return false }
        defer { wipe(&next) }
        var fresh = RecordKeys()
        fresh.generation = keys.generation &+ 1
        for index in 0..<next.count { fresh.secret[index] = next[index] }
        guard derive(&fresh, next, suite) else { return false }
        keys = fresh
        return true
    }

    private static func derive(_ keys: inout RecordKeys, _ secret: [UInt8], _ suite: RecordSuite) -> Bool {
        guard var key = expand(secret, "key", suite.keyLength, suite) else { return false }
        defer { wipe(&key) }
        guard var iv = expand(secret, "iv", 12, suite) else { return false }
        defer { wipe(&iv) }
        for index in 0..<key.count { keys.key[index] = key[index] }
        for index in 0..<12 { keys.iv[index] = iv[index] }
        return true
    }

    /// HKDF-Expand-Label without a context (RFC 8446, 7.1), for one block of the hash at most: one HMAC.
    static func expand(_ secret: [UInt8], _ label: String, _ count: Int, _ suite: RecordSuite) -> [UInt8]? {
        precondition(count <= suite.hashLength)
        let full = Array("tls13 ".utf8) + Array(label.utf8)
        let info = [UInt8(count >> 8), UInt8(count & 255), UInt8(full.count)] + full + [0, 1]
        var output = [UInt8](repeating: 0, count: 64)
        defer { wipe(&output) }
        var length = 0
        // Sound: the arrays are local and lent with their counts; the library writes at most `output.count` bytes.
        let result = unsafe EVP_Q_mac(
            nil, "HMAC", nil, suite.hashName, nil, secret, secret.count, info, info.count, &output, output.count,
            &length)
        guard unsafe result != nil, length >= count else { return nil }
        return Array(output[..<count])
    }

    /// The keys of both directions of TLS 1.2 (RFC 5246, 6.3): of the client's records, and of the server's. A Finished of one
    /// record was the first with each.
    package static func legacyKeys(
        master: [UInt8], clientRandom: [UInt8], serverRandom: [UInt8], _ suite: RecordSuite
    ) throws(TLSError) -> (client: RecordKeys, server: RecordKeys) {
        let ivLength = suite == .chaCha20Poly1305 ? 12 : 4
        var block = try KeyDerivation.legacy(
            secret: master, seed: Array("key expansion".utf8) + serverRandom + clientRandom, hash: suite.hashName,
            count: 2 * suite.keyLength + 2 * ivLength)
        defer { wipe(&block) }
        var client = RecordKeys()
        var server = RecordKeys()
        var next = 0
        for index in 0..<suite.keyLength { client.key[index] = block[next + index] }
        next += suite.keyLength
        for index in 0..<suite.keyLength { server.key[index] = block[next + index] }
        next += suite.keyLength
        for index in 0..<ivLength { client.iv[index] = block[next + index] }
        next += ivLength
        for index in 0..<ivLength { server.iv[index] = block[next + index] }
        client.sequence = 1
        server.sequence = 1
        return (client, server)
    }

    /// Overwrites a secret that is over.
    static func wipe(_ bytes: inout [UInt8]) {
        let count = bytes.count
        // Sound: the array's own memory with its count.
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            if count > 0 { unsafe OPENSSL_cleanse(buffer.baseAddress, count) }
        }
    }
}
