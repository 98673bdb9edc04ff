// SHA-1, Base64 and the key of a handshake, by the vectors of their RFCs.

import Testing
import WebSocket

@Suite("Digests")
struct DigestTests {
    @Test(
        "SHA-1",
        arguments: [
            ("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            // RFC 3174, 7.3.
            ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            ("a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            (
                "0123456701234567012345670123456701234567012345670123456701234567", 10,
                "dea356a2cddd90c7a7ecedc5ebb563934f460452"
            ),
            // Around the padding's edges (computed with coreutils).
            ("x", 55, "cef734ba81a024479e09eb5a75b6ddae62e6abf1"),
            ("x", 56, "901305367c259952f4e7af8323f480d59f81335b"),
            ("x", 64, "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163"),
        ])
    func sha1(_ text: String, _ count: Int, _ digest: String) {
        #expect(SHA1.digest(Array(repeating: Array(text.utf8), count: count).flatMap { $0 }) == hex(digest))
    }

    /// RFC 4648, 10.
    @Test(
        "Base64",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func base64(_ text: String, _ encoded: String) { #expect(Base64.encode(Array(text.utf8)) == encoded) }

    /// RFC 6455, 1.3.
    @Test func `The answer to a key`() {
        #expect(HandshakeKey.text(Array("the sample nonce".utf8)) == "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(HandshakeKey.answer(to: "dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        #expect(Base64.isSixteenBytes("dGhlIHNhbXBsZSBub25jZQ=="))
        let wrong = ["", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZQAA"]
        for text in wrong + ["dGhlIHNhbXBsZSBub25j Q==", "dGhlIHNhbXBsZSBub25=ZQ=="] {
            #expect(!Base64.isSixteenBytes(text), "\(text)")
        }
    }
}
