// What a PEM file holds: certificates, keys and lists in any order, and what else there is for a message.

import COpenSSL

/// The contents of a PEM file (RFC 7468), every part read as what its label says.
struct PEMFile {
    /// Parts one file may have.
    static let maximumParts = TLSMaterial.maximumCertificates

    var certificates: [Certificate] = []
    var keys: [PrivateKey] = []
    /// Keys that only a passphrase opens.
    var encryptedKeys = 0
    var lists: [(list: RevocationList, encoded: [UInt8])] = []
    /// Labels of parts that are nothing of the above.
    var others: [String] = []
    /// Labels of parts that are not what they say.
    var broken: [String] = []

    /// Reads the parts; bytes outside of them are text for people.
    init(parsing bytes: [UInt8]) {
        ERR_clear_error()
        defer { ERR_clear_error() }
        // Sound: the memory is lent to the library for the duration of the closure; what it allocates is freed after
        // each part, with the length it said.
        unsafe bytes.withUnsafeBytes { memory in
            guard let bio = unsafe BIO_new_mem_buf(memory.baseAddress, Int32(clamping: memory.count)) else { return }
            defer { unsafe BIO_free(bio) }
            for _ in 0..<Self.maximumParts {
                var label: UnsafeMutablePointer<CChar>?
                var header: UnsafeMutablePointer<CChar>?
                var data: UnsafeMutablePointer<UInt8>?
                var count = 0
                guard unsafe PEM_read_bio(bio, &label, &header, &data, &count) == 1 else {
                    // Anything else than the end is a part that begins and is none.
                    let reason = TLSError.takeQueue()
                    if let reason, reason.code != PEM_R_NO_START_LINE { broken.append(reason.text) }
                    return
                }
                defer {
                    unsafe CRYPTO_free(label, "", 0)
                    unsafe CRYPTO_free(header, "", 0)
                    unsafe CRYPTO_clear_free(data, count, "", 0)
                }
                let name = unsafe label.map { unsafe String(cString: $0) } ?? ""
                let text = unsafe header.map { unsafe String(cString: $0) } ?? ""
                let part = unsafe Array(UnsafeBufferPointer(start: data, count: max(0, count)))
                add(name, isEncrypted: text.contains("ENCRYPTED"), part)
            }
        }
    }

    private mutating func add(_ label: String, isEncrypted: Bool, _ bytes: [UInt8]) {
        switch label {
        case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
            if let certificate = Certificate(encoded: bytes) {
                certificates.append(certificate)
            } else {
                broken.append(label)
            }
        case "ENCRYPTED PRIVATE KEY": encryptedKeys += 1
        case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
            if isEncrypted {
                encryptedKeys += 1
            } else if let key = PrivateKey(encoded: bytes) {
                keys.append(key)
            } else {
                broken.append(label)
            }
        case "X509 CRL":
            if let list = RevocationList(encoded: bytes) {
                lists.append((list, bytes))
            } else {
                broken.append(label)
            }
        // Parameters of curves stand before keys that name them again, and mean nothing by themselves.
        case "EC PARAMETERS", "DH PARAMETERS": break
        default: others.append(label)
        }
    }

    /// What is in it, for a message: `a private key`, `nothing in PEM`.
    var inventory: String {
        var parts: [String] = []
        func add(_ count: Int, _ one: String, _ many: String) {
            if count > 0 { parts.append(count == 1 ? one : "\(count) \(many)") }
        }
        add(certificates.count, "a certificate", "certificates")
        add(keys.count, "a private key", "private keys")
        add(encryptedKeys, "an encrypted key", "encrypted keys")
        add(lists.count, "a revocation list", "revocation lists")
        parts += others.prefix(3).map { "a \($0.lowercased())" }
        parts += broken.prefix(1).map { "a part that cannot be read (\($0))" }
        return parts.isEmpty ? "nothing in PEM" : parts.joined(separator: " and ")
    }
}
