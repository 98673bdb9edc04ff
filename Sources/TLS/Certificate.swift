// A certificate in the hands of this target: the library's object, and what it says as plain values.

import COpenSSL
import Glibc
import Wire

/// One X.509 certificate; never changed.
///
/// Safe to use: the library's object is owned here, counted by the library, and only ever read.
@safe package final class Certificate: Sendable {
    // Sound: X509 objects are read by many threads at once; the library locks the little it computes late.
    nonisolated(unsafe) let handle: OpaquePointer

    /// Takes over a reference.
    init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    /// Reads the encoding that travels in handshakes (DER); `nil` when it is none.
    package convenience init?(encoded bytes: [UInt8]) {
        ERR_clear_error()
        // Sound: the array is lent with its count; the call moves only its own copy of the pointer.
        let handle = unsafe bytes.withUnsafeBufferPointer { buffer in
            var next = buffer.baseAddress
            return unsafe d2i_X509(nil, &next, buffer.count)
        }
        ERR_clear_error()
        guard let handle = unsafe handle else { return nil }
        unsafe self.init(owning: handle)
    }

    deinit { unsafe X509_free(handle) }

    /// The encoding that travels in handshakes (DER).
    package var encoded: [UInt8] {
        // Sound: the call says how much it needs, then writes exactly that.
        let count = Int(unsafe i2d_X509(handle, nil))
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            var next = buffer.baseAddress
            filled = max(0, Int(unsafe i2d_X509(handle, &next)))
        }
    }

    /// What it says.
    package var facts: CertificateFacts {
        CertificateFacts(
            subject: unsafe Self.text(X509_get_subject_name(handle)),
            issuer: unsafe Self.text(X509_get_issuer_name(handle)), commonName: commonName, serial: serial,
            alternativeNames: names.map(\.text), fingerprint: fingerprint, validity: validity)
    }

    /// Subject and issuer are the same: a root, or alone in the world.
    package var isSelfIssued: Bool {
        unsafe X509_NAME_cmp(X509_get_subject_name(handle), X509_get_issuer_name(handle)) == 0
    }

    /// Whether `issuer` could have issued this one: names, key identifiers and signature fit.
    package func isIssued(by issuer: Certificate) -> Bool {
        defer { ERR_clear_error() }
        guard unsafe X509_check_issued(issuer.handle, handle) == X509_V_OK else { return false }
        // Sound: the key is borrowed from the issuer, which lives through the call.
        guard let key = unsafe X509_get0_pubkey(issuer.handle) else { return false }
        return unsafe X509_verify(handle, key) == 1
    }

    /// Strength of its key in bits of a symmetric one; RSA with 2048 bits has 112.
    package var securityBits: Int {
        guard let key = unsafe X509_get0_pubkey(handle) else { return 0 }
        return Int(unsafe EVP_PKEY_get_security_bits(key))
    }

    /// The kind and length of its key: `RSA 2048`, `EC 256`.
    package var keyText: String {
        guard let key = unsafe X509_get0_pubkey(handle) else { return "no key" }
        // Sound: the library's names are static C strings.
        let name = unsafe EVP_PKEY_get0_type_name(key).map { unsafe String(cString: $0) } ?? "unknown"
        return "\(name) \(unsafe EVP_PKEY_get_bits(key))"
    }

    /// What tells kinds of keys apart: a client may take one and not another.
    var keyKind: Int32 { unsafe X509_get0_pubkey(handle).map { unsafe EVP_PKEY_get_base_id($0) } ?? 0 }

    /// The DNS names it is good for, lower case; the common name when it has no alternative name of any kind.
    package var serverNames: [String] {
        let names = names
        let found = names.filter(\.isDNS).map { $0.text.lowercased() }
        return names.isEmpty && !commonName.isEmpty ? [commonName.lowercased()] : found
    }
}

// MARK: Fields

extension Certificate {
    /// One of the alternative names (RFC 5280, 4.2.1.6).
    private struct Name {
        var text: String
        var isDNS: Bool
    }

    /// At most this many alternative names are read of one certificate.
    static let maximumNames = 1024

    private var names: [Name] {
        // Sound: the list is made by the call and freed here; its strings are copied.
        guard let list = unsafe cssl_alternative_names(handle) else { return [] }
        defer { unsafe cssl_names_free(list) }
        var names: [Name] = []
        for index in 0..<min(unsafe cssl_names_count(list), Int32(Self.maximumNames)) {
            guard let name = unsafe cssl_names_at(list, index), let string = unsafe cssl_name_string(name) else {
                continue
            }
            let bytes = unsafe Self.octets(string)
            if unsafe name.pointee.type == GEN_IPADD {
                guard let address = Self.address(bytes) else { continue }
                names.append(Name(text: address.description, isDNS: false))
            } else {
                let isDNS = unsafe name.pointee.type == GEN_DNS
                names.append(Name(text: String(decoding: bytes, as: UTF8.self), isDNS: isDNS))
            }
        }
        return names
    }

    /// Four octets or sixteen; anything else is no address.
    private static func address(_ octets: [UInt8]) -> IPAddress? {
        switch octets.count {
        case 4: .v4(IPv4Address(octets[0], octets[1], octets[2], octets[3]))
        case 16: .v6(IPv6Address(octets: octets))
        default: nil
        }
    }

    private var commonName: String {
        // Sound: the name and its entries are borrowed from the certificate; the text is the library's until freed.
        let subject = unsafe X509_get_subject_name(handle)
        var last: Int32 = -1
        while true {
            let next = unsafe X509_NAME_get_index_by_NID(subject, NID_commonName, last)
            if next < 0 { break }
            last = next
        }
        guard last >= 0, let entry = unsafe X509_NAME_get_entry(subject, last) else { return "" }
        var utf8: UnsafeMutablePointer<UInt8>?
        let count = unsafe ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry))
        ERR_clear_error()
        guard count >= 0, let text = unsafe utf8 else { return "" }
        defer { unsafe CRYPTO_free(text, "", 0) }
        return unsafe String(decoding: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
    }

    private var serial: String {
        // Sound: the number is made from the certificate's and freed here, the text too.
        guard let number = unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber(handle), nil) else { return "" }
        defer { unsafe BN_free(number) }
        guard let digits = unsafe BN_bn2hex(number) else { return "" }
        defer { unsafe CRYPTO_free(digits, "", 0) }
        return unsafe String(cString: digits)
    }

    private var fingerprint: String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        // Sound: the array has room for every digest.
        guard unsafe X509_digest(handle, EVP_sha256(), &digest, &count) == 1 else { return "" }
        return hexadecimal(digest.prefix(Int(count)))
    }

    private var validity: ClosedRange<Int64> {
        let from = unsafe Self.seconds(X509_get0_notBefore(handle))
        let until = unsafe Self.seconds(X509_get0_notAfter(handle))
        return from...max(from, until)
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var calendar = unsafe tm()
        // Sound: the call fills the structure it is lent; UTC.
        guard unsafe ASN1_TIME_to_tm(time, &calendar) == 1 else { return 0 }
        return unsafe Int64(timegm(&calendar))
    }

    /// RFC 2253 with the characters as they are; a text of any length is bounded by the certificate's own size.
    private static func text(_ name: OpaquePointer?) -> String {
        // Sound: the memory is made, read and freed here.
        guard let name = unsafe name, let out = unsafe BIO_new(BIO_s_mem()) else { return "" }
        defer { unsafe BIO_free(out) }
        let flags = CSSL_XN_FLAG_RFC2253 & ~UInt(ASN1_STRFLGS_ESC_MSB)
        guard unsafe X509_NAME_print_ex(out, name, 0, flags) >= 0 else { return "" }
        let count = unsafe BIO_ctrl_pending(out)
        var taken = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(1, count)) { buffer, filled in
            filled = unsafe BIO_read_ex(out, buffer.baseAddress, count, &taken) == 1 ? taken : 0
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func octets(_ string: UnsafePointer<ASN1_STRING>) -> [UInt8] {
        // Sound: the string's octets are borrowed with their count and copied.
        let count = Int(unsafe ASN1_STRING_length(string))
        guard count > 0, let start = unsafe ASN1_STRING_get0_data(string) else { return [] }
        return unsafe Array(UnsafeBufferPointer(start: start, count: count))
    }
}

/// Lower-case hexadecimal digits.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
