// MurmurHash2: how NGINX's split_clients places a client.

/// MurmurHash2 of 32 bits (Austin Appleby, public domain) with the seed NGINX uses, the length of the key.
package enum Murmur2 {
    private static let factor: UInt32 = 0x5BD1_E995

    /// The hash of a key; the same on every host.
    package static func hash(_ key: Span<UInt8>) -> UInt32 {
        var hash = UInt32(truncatingIfNeeded: key.count)
        var place = 0
        while key.count - place >= 4 {
            var word: UInt32 = 0
            for offset in 0..<4 { word |= UInt32(key[place + offset]) << UInt32(8 * offset) }
            word = word &* factor
            word ^= word >> 24
            hash = (hash &* factor) ^ (word &* factor)
            place += 4
        }
        if place < key.count {
            for offset in 0..<(key.count - place) { hash ^= UInt32(key[place + offset]) << UInt32(8 * offset) }
            hash = hash &* factor
        }
        hash ^= hash >> 13
        hash = hash &* factor
        return hash ^ hash >> 15
    }
}
