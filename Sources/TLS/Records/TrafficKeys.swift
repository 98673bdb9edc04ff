// Keys out of traffic secrets (RFC 8446, 7) and out of the master secret of TLS 1.2 (RFC 5246, 6.3).

import COpenSSL

/// Derives what ``RecordKeys`` holds.
package enum TrafficKeys {
    /// The keys of a TLS 1.3 traffic secret; record 0 comes next. `nil` when libcrypto fails.
    package static func keys(secret: [UInt8], _ suite: RecordSuite) -> RecordKeys? {
        guard let hash = SecretHash(suite) else { return nil }
        return keys(secret: secret, suite, hash)
    }

    /// The same with a hash that is made for the suite.
    static func keys(secret: [UInt8], _ suite: RecordSuite, _ hash: SecretHash) -> RecordKeys? {
        precondition(secret.count == suite.hashLength, "a secret of \(secret.count) bytes")
        var keys = RecordKeys()
        for index in 0..<secret.count { keys.secret[index] = secret[index] }
        guard derive(&keys, suite, hash) else {
            keys.wipe()
            return nil
        }
        return keys
    }

    /// The next generation (RFC 8446, 7.2); the old secret and keys are overwritten. `false` when libcrypto fails, and
    /// then nothing has changed.
    static func advance(_ keys: inout RecordKeys, _ suite: RecordSuite) -> Bool {
        guard let hash = SecretHash(suite), hash.key(keys.secret.span.extracting(0..<suite.hashLength)),
            hash.expand("traffic upd", suite.hashLength)
        else { return false }
        var fresh = RecordKeys()
        defer { fresh.wipe() }
        fresh.generation = keys.generation &+ 1
        for index in 0..<suite.hashLength { fresh.secret[index] = hash.block[index] }
        guard derive(&fresh, suite, hash) else { return false }
        keys = fresh
        return true
    }

    /// Key and initialisation vector of the secret that is there.
    private static func derive(_ keys: inout RecordKeys, _ suite: RecordSuite, _ hash: SecretHash) -> Bool {
        guard hash.key(keys.secret.span.extracting(0..<suite.hashLength)), hash.expand("key", suite.keyLength) else { return false }
        for index in 0..<suite.keyLength { keys.key[index] = hash.block[index] }
        guard hash.expand("iv", 12) else { return false }
        for index in 0..<12 { keys.iv[index] = hash.block[index] }
        return true
    }

    /// The keys of both directions of TLS 1.2 (RFC 5246, 6.3): of the client's records, and of the server's. A Finished of one
    /// record was the first with each.
    package static func legacyKeys(
        master: [UInt8], clientRandom: [UInt8], serverRandom: [UInt8], _ suite: RecordSuite
    ) throws(TLSError) -> (client: RecordKeys, server: RecordKeys) {
        let ivLength = suite == .chaCha20Poly1305 ? 12 : 4
        var seed: [UInt8] = []
        seed.reserveCapacity(Self.keyExpansion.utf8CodeUnitCount + serverRandom.count + clientRandom.count)
        // Sound: a static text's own bytes with their count.
        unsafe seed.append(
            contentsOf: UnsafeBufferPointer(start: Self.keyExpansion.utf8Start, count: Self.keyExpansion.utf8CodeUnitCount))
        seed.append(contentsOf: serverRandom)
        seed.append(contentsOf: clientRandom)
        var block = try expand(master: master, seed: seed, suite, count: 2 * suite.keyLength + 2 * ivLength)
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

    private static let keyExpansion: StaticString = "key expansion"

    /// The pseudo-random function of TLS 1.2 (RFC 5246, 5).
    ///
    /// - Parameter seed: label and seed, one behind the other.
    static func expand(master: [UInt8], seed: [UInt8], _ suite: RecordSuite, count: Int) throws(TLSError) -> [UInt8] {
        ERR_clear_error()
        guard let hash = SecretHash(suite), hash.key(master.span), hash.hash(seed.span) else { throw .library("EVP_MAC HMAC") }
        var output: [UInt8] = []
        output.reserveCapacity(count)
        // A(1), A(2), ...: each is the HMAC of the one before.
        var link = hash.block
        defer { unsafe withUnsafeMutableBytes(of: &link) { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) } }
        while true {
            guard hash.hash(link.span.extracting(0..<suite.hashLength), seed.span) else { throw .library("EVP_MAC HMAC") }
            for index in 0..<min(suite.hashLength, count - output.count) { output.append(hash.block[index]) }
            if output.count == count { return output }
            guard hash.hash(link.span.extracting(0..<suite.hashLength)) else { throw .library("EVP_MAC HMAC") }
            link = hash.block
        }
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
