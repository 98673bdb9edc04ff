// What a listener's servers see of a client in place of its own words.

import Configuration
import MQTT
import TLS
import Wire

/// The replacements of a listener, ready for use.
struct IdentityPolicy: Sendable {
    /// Why a client has no such identity.
    enum Refusal: Error, Equatable {
        /// There is no such thing in what is known of the client.
        case missing(Configuration.IdentitySource)
        /// The library could not hash.
        case hash(TLSError)
    }

    let rewriting: Configuration.Rewriting
    /// By file name: one for each of `rewriting.keyFiles`.
    let keys: [String: IdentityKey]

    /// Whether every CONNECT stays as it is.
    var isEmpty: Bool { rewriting.isEmpty }

    init(_ rewriting: Configuration.Rewriting = .init(), keys: [String: IdentityKey] = [:]) {
        precondition(rewriting.keyFiles.allSatisfy { keys[$0] != nil }, "a key that nobody handed over")
        self.rewriting = rewriting
        self.keys = keys
    }

    /// What is to change in a CONNECT.
    ///
    /// - Parameters:
    ///   - clientID: as the device sent it.
    ///   - facts: with the device's username.
    func rewrite(clientID: [UInt8], address: IPAddress, _ facts: SessionFacts) throws(Refusal) -> ConnectRewrite {
        var rewrite = ConnectRewrite()
        switch rewriting.clientID {
        case nil: break
        case .remove: rewrite.clientID = []
        case .from(let source, let file):
            rewrite.clientID = try value(source, file, clientID, address, facts)
        }
        rewrite.username = try change(rewriting.username, clientID, address, facts)
        rewrite.password = try change(rewriting.password, clientID, address, facts)
        return rewrite
    }

    private func change(
        _ replacement: Configuration.Replacement?, _ clientID: [UInt8], _ address: IPAddress, _ facts: SessionFacts
    ) throws(Refusal) -> ConnectRewrite.Change {
        switch replacement {
        case nil: .keep
        case .remove: .remove
        case .from(let source, let file): .set(try value(source, file, clientID, address, facts))
        }
    }

    private func value(
        _ source: Configuration.IdentitySource, _ file: String?, _ clientID: [UInt8], _ address: IPAddress,
        _ facts: SessionFacts
    ) throws(Refusal) -> [UInt8] {
        let identity = Self.identity(source, clientID, address, facts)
        // Nobody's name would be the name of many.
        guard let identity, !identity.isEmpty else { throw .missing(source) }
        guard let file, let key = keys[file] else { return identity }
        do { return try key.pseudonym(of: identity) } catch { throw .hash(error) }
    }

    private static func identity(
        _ source: Configuration.IdentitySource, _ clientID: [UInt8], _ address: IPAddress, _ facts: SessionFacts
    ) -> [UInt8]? {
        // A certificate that nobody verified says nothing.
        let certificate = facts.tls?.isVerified == true ? facts.tls?.certificate : nil
        let text: String? =
            switch source {
            case .clientID: String(decoding: clientID, as: UTF8.self)
            case .username: String(decoding: facts.username, as: UTF8.self)
            case .certificateSerial: certificate?.serial
            case .certificateName: certificate?.subject
            case .certificateCommonName: certificate?.commonName
            case .certificateAlternativeName: certificate?.alternativeNames.first
            case .certificateFingerprint: certificate?.fingerprint
            case .serverName: facts.serverName ?? facts.tls?.serverName
            case .sourceAddress: "\(address.unmapped)"
            }
        return text.map { Array($0.utf8) }
    }
}
