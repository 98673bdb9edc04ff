// PROXY headers that the tests of this target share, written by hand.

import Configuration
import Wire

/// Bytes of PROXY headers, version 2.
enum Header {
    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    /// - Parameter start: the 13th and 14th byte.
    static func v2(_ start: [UInt8], _ body: [UInt8]) -> [UInt8] {
        signature + start + [UInt8(body.count >> 8), UInt8(body.count & 255)] + body
    }

    static func tlv(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        [type, UInt8(value.count >> 8), UInt8(value.count & 255)] + value
    }

    /// 192.0.2.1:56324 to 192.0.2.2:1883.
    static let v4: [UInt8] = [192, 0, 2, 1, 192, 0, 2, 2, 0xDC, 0x04, 0x07, 0x5B]
    /// 2001:db8::1 port 40000 to 2001:db8::2 port 8883.
    static let v6: [UInt8] =
        [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1, 0x20, 1, 0x0D, 0xB8]
        + [UInt8](repeating: 0, count: 11) + [2, 0x9C, 0x40, 0x22, 0xB3]
    /// The same as ``v4``, dressed as IPv6.
    static let mapped: [UInt8] =
        [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 192, 0, 2, 1] + [UInt8](repeating: 0, count: 10)
        + [0xFF, 0xFF, 192, 0, 2, 2, 0xDC, 0x04, 0x07, 0x5B]

    /// A client over TLS 1.3 whose certificate was verified, of this common name.
    static func ssl(_ commonName: [UInt8], verify: UInt8 = 0) -> [UInt8] {
        tlv(0x20, [7, 0, 0, 0, verify] + tlv(0x21, Array("TLSv1.3".utf8)) + tlv(0x22, commonName))
    }
}

extension Configuration.ProxyAcceptance {
    /// Only clients of this machine.
    static let loopback = Configuration.ProxyAcceptance(networks: [IPPrefix(.v4(IPv4Address(127, 0, 0, 0)), length: 8)])
    /// Nobody who could be a client of these tests.
    static let elsewhere = Configuration.ProxyAcceptance(networks: [IPPrefix(.v4(IPv4Address(10, 0, 0, 0)), length: 8)])
}
