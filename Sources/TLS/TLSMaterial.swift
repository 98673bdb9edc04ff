// Certificates, keys and lists as they are handed to the process that uses them: read, sorted and judged already.

import Wire

/// What a context needs of the disk.
///
/// The supervisor reads the files; the balancer gets this in a sealed memfd and never opens a file. Form: `UTM1`, then
/// identities (name, default or not, key, certificates), authorities and revocation lists; counts and lengths are four
/// octets each.
package struct TLSMaterial: Hashable, Sendable {
    /// A certificate with its chain and its key, all DER.
    package struct Identity: Hashable, Sendable {
        /// The file it came from, for messages.
        package var name: String
        /// The certificate first, then each one's issuer.
        package var chain: [[UInt8]]
        /// PKCS #8.
        package var key: [UInt8]
        package var isDefault: Bool

        package init(name: String, chain: [[UInt8]], key: [UInt8], isDefault: Bool = false) {
            self.name = name
            self.chain = chain
            self.key = key
            self.isDefault = isDefault
        }
    }

    /// Not what ``TLSMaterial/encoded`` gives.
    package struct Malformed: Error, Hashable, Sendable { package init() {} }

    /// Certificates of one tls block.
    package static let maximumIdentities = 1024
    /// Certificates of a chain, of a file of authorities, and lists of a file of revocations.
    package static let maximumCertificates = 4096
    /// Octets of one certificate, key or list.
    package static let maximumElement = 8 << 20
    /// Octets of the whole.
    package static let maximumSize = 64 << 20

    private static let magic = Array("UTM1".utf8)

    package var identities: [Identity] = []
    /// Who vouches for the other side.
    package var authorities: [[UInt8]] = []
    /// Revocation lists.
    package var revocations: [[UInt8]] = []

    package init() {}

    // MARK: Form

    package var encoded: [UInt8] {
        var bytes = Self.magic
        bytes.append(bigEndian: UInt32(identities.count))
        for identity in identities {
            bytes.append(element: Array(identity.name.utf8))
            bytes.append(identity.isDefault ? 1 : 0)
            bytes.append(element: identity.key)
            bytes.append(elements: identity.chain)
        }
        bytes.append(elements: authorities)
        bytes.append(elements: revocations)
        return bytes
    }

    package init(parsing bytes: Span<UInt8>) throws(Malformed) {
        var reader = ByteReader(bytes)
        do {
            guard try reader.take(4) == Self.magic else { throw Malformed() }
            let count = Int(try reader.u32())
            guard count <= Self.maximumIdentities else { throw Malformed() }
            for _ in 0..<count {
                let name = String(decoding: try Self.element(&reader), as: UTF8.self)
                let isDefault = try reader.u8() == 1
                let key = try Self.element(&reader)
                identities.append(
                    Identity(name: name, chain: try Self.elements(&reader), key: key, isDefault: isDefault))
            }
            authorities = try Self.elements(&reader)
            revocations = try Self.elements(&reader)
        } catch {
            throw Malformed()
        }
        guard reader.isAtEnd else { throw Malformed() }
    }

    private static func element(_ reader: inout ByteReader) throws -> [UInt8] {
        let count = Int(try reader.u32())
        guard count <= maximumElement else { throw Malformed() }
        return try reader.take(count)
    }

    private static func elements(_ reader: inout ByteReader) throws -> [[UInt8]] {
        let count = Int(try reader.u32())
        guard count <= maximumCertificates else { throw Malformed() }
        var elements: [[UInt8]] = []
        for _ in 0..<count { elements.append(try element(&reader)) }
        return elements
    }
}

extension TLSMaterial: CustomReflectable {
    /// Nothing: what prints a value by its fields must not print keys.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension [UInt8] {
    fileprivate mutating func append(element: [UInt8]) {
        append(bigEndian: UInt32(element.count))
        self += element
    }

    fileprivate mutating func append(elements: [[UInt8]]) {
        append(bigEndian: UInt32(elements.count))
        for element in elements { append(element: element) }
    }
}
