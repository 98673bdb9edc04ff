// Adverts, plain and sealed.

import TLS
import VRRP
import Wire

extension FuzzTarget {
    private static let source4 = IPAddress.v4(IPv4Address(10, 9, 0, 1))
    private static let destination4 = IPAddress.v4(IPv4Address(10, 9, 0, 2))
    private static let source6 = IPAddress.v6(IPv6Address(high: 0xFD09_0000_0000_0000, low: 1))
    private static let destination6 = IPAddress.v6(IPv6Address(high: 0xFD09_0000_0000_0000, low: 2))

    /// What the reader says, and that what it accepts can be written and is read again as the same.
    private static func read(
        _ bytes: [UInt8], from source: IPAddress, to destination: IPAddress, ignoresTrailer: Bool
    ) throws -> String {
        let read: Advertisement
        do throws(Advertisement.Discard) {
            read = try Advertisement(
                parsing: bytes.span, from: source, to: destination, hopLimit: 255, ignoresTrailer: ignoresTrailer)
        } catch { return "\(error)" }
        try demand(!read.addresses.isEmpty && read.interval > .zero, "an advert without addresses or interval: \(read)")
        if read.priority < 255 {
            let again = read.write(from: source, to: destination, checksum: read.checksumForm)
            let reread = try? Advertisement(parsing: again.span, from: source, to: destination, hopLimit: 255)
            try demand(reread == read, "\(read) is written and read as \(String(describing: reread))")
        }
        return "\(read.version) \(read.addresses.count.bitWidth - read.addresses.count.leadingZeroBitCount) "
            + "\(read.priority == 0) \(read.checksumForm)"
    }

    /// A right checksum for the family that the length fits.
    private static func summed(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 8 else { return bytes }
        var bytes = bytes
        bytes[6] = 0
        bytes[7] = 0
        var checksum = InternetChecksum()
        if bytes[0] >> 4 != 2 {
            let isV6 = bytes.count >= 8 + 16 * max(1, Int(bytes[3]))
            let length = [UInt8(bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)]
            let pseudo =
                isV6
                ? source6.octets + destination6.octets + [0, 0] + length + [0, 0, 0, 112]
                : source4.octets + destination4.octets + [0, 112] + length
            checksum.add(pseudo.span)
        }
        checksum.add(bytes.span)
        bytes[6] = UInt8(checksum.value >> 8)
        bytes[7] = UInt8(checksum.value & 0xFF)
        return bytes
    }

    /// The payload of an IP packet of protocol 112, over both families, with and without a trailer to be passed over.
    static let advertisement = FuzzTarget(
        name: "vrrp-advertisement",
        words: [[0x21], [0x31], [0xFF], [0, 0], [0x0F, 0xFF], [10, 9, 0, 10]] + [Array(repeating: 0, count: 28)],
        repair: summed
    ) { bytes in
        var outcome = ""
        for ignoresTrailer in [false, true] {
            outcome += try read(bytes, from: source4, to: destination4, ignoresTrailer: ignoresTrailer) + "/"
            outcome += try read(bytes, from: source6, to: destination6, ignoresTrailer: ignoresTrailer) + "/"
        }
        return outcome
    }

    /// HMAC-SHA256 by the library, as vip has it.
    private struct Authenticator: MessageAuthenticator {
        func hmacSHA256(key: [UInt8], message: Span<UInt8>) -> [UInt8]? {
            MessageDigest.hmacSHA256(key: key, message: message)
        }
    }

    /// What is authenticated of a sealed advert: all but its checksum.
    private static func essence(_ bytes: [UInt8]) -> [UInt8] {
        bytes.indices.map { $0 == 6 || $0 == 7 ? 0 : bytes[$0] }
    }

    /// Sealed with the key of the corpus, which the fuzzer does not know: nothing but the corpus may be believed.
    static let sealedAdvertisement = FuzzTarget(
        name: "vrrp-sealed", words: [[1, 1], [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF]], repair: summed
    ) { bytes in
        guard let key = HMACAuthentication.Key(id: 1, secret: Array(repeating: 0x5E, count: 32)) else {
            throw FuzzFinding(description: "the key is none")
        }
        var authentication = HMACAuthentication(
            .init(keys: [key], activeKey: 1, mode: .enforce, antiReplay: .monotonic, interval: .seconds(1)))
        var outcome = ""
        for (source, destination) in [(source4, destination4), (source6, destination6)] {
            do throws(Advertisement.Discard) {
                let read = try authentication.read(
                    bytes.span, from: source, to: destination, hopLimit: 255, wall: .seconds(1_800_000_000),
                    with: Authenticator())
                outcome += "\(read.version) believed/"
            } catch { outcome += "\(error)/" }
        }
        if outcome.contains("believed") {
            let genuine = try Corpus.inputs(of: "vrrp-sealed").map(essence)
            try demand(genuine.contains(essence(bytes)), "a forgery is believed")
        }
        return outcome
    }
}
