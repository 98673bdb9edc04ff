// The keys of advertisements, from what the supervisor read and handed over.

package import Configuration
package import Control
import TLS
package import VRRP
import Wire

/// Secrets by the names under which they were handed over, and the keys that follow from them.
package struct RouterSecrets: Sendable {
    /// Why a router has no key; a sentence.
    package struct Missing: Error, Hashable, Sendable, CustomStringConvertible {
        package var description: String
    }

    /// Octets of a key derived from the pair secret.
    static let derivedCount = 32

    /// Of the configurations that were committed.
    private var contents: [DescriptorName: [UInt8]] = [:]
    /// Handed over for the one that is prepared next, or is prepared.
    private var offered: [DescriptorName: [UInt8]] = [:]

    /// No secrets.
    package init() {}

    /// Takes what was handed over; the same name again replaces it. Keys are made with it from now on, and it stays with
    /// ``commit()`` only.
    package mutating func take(_ name: DescriptorName, _ bytes: [UInt8]) { offered[name] = bytes }

    /// The configuration that it was handed over for is in force.
    package mutating func commit() {
        contents.merge(offered) { _, new in new }
        offered = [:]
    }

    /// That configuration is not wanted: what was handed over for it is forgotten.
    package mutating func cancel() { offered = [:] }

    private subscript(_ name: DescriptorName) -> [UInt8]? { offered[name] ?? contents[name] }

    /// How this router's adverts are authenticated; `nil`: without a trailer.
    package func authentication(
        of router: Configuration.VirtualRouterSettings, in configuration: Configuration
    ) throws(Missing) -> HMACAuthentication.Settings? {
        let wanted = router.authentication
        guard wanted.kind == .hmac else { return nil }
        let keys = try wanted.keys.isEmpty ? derivedKeys(configuration) : handedKeys(wanted.keys, router.name)
        guard let first = keys.first else { throw Missing(description: "no key to authenticate adverts with") }
        guard Set(keys.map(\.id)).count == keys.count else {
            throw Missing(
                description: "the two pair secrets give keys of one number; draw another one with understudy keygen")
        }
        let mode: HMACAuthentication.Mode =
            switch wanted.mode {
            case .enforce: .enforce
            case .permissive: .permissive
            case .receiveOnly: .receiveOnly
            }
        return HMACAuthentication.Settings(
            keys: keys, activeKey: wanted.activeKey ?? first.id, mode: mode,
            antiReplay: wanted.antiReplay == .time ? .time : .monotonic, interval: router.advertInterval,
            window: wanted.window)
    }

    private func handedKeys(
        _ wanted: [Configuration.VirtualRouterSettings.Authentication.Key], _ router: String
    ) throws(Missing) -> [HMACAuthentication.Key] {
        var keys: [HMACAuthentication.Key] = []
        for key in wanted {
            guard let octets = self[.vrrpKey(router, key.id)],
                let made = HMACAuthentication.Key(id: key.id, secret: octets)
            else { throw Missing(description: "the key number \(key.id) was not handed over") }
            keys.append(made)
        }
        return keys
    }

    /// The key of the pair secret, which is sent, and that of the accepted one.
    private func derivedKeys(_ configuration: Configuration) throws(Missing) -> [HMACAuthentication.Key] {
        guard let pair = self[.vrrpSecret] else {
            throw Missing(description: "the pair secret was not handed over")
        }
        var keys = [try Self.derive(pair)]
        // What was handed over for an earlier configuration is no longer accepted.
        if configuration.pair?.acceptedSecretPath != nil {
            guard let accepted = self[.vrrpAcceptedSecret] else {
                throw Missing(description: "the accepted secret was not handed over")
            }
            keys.append(try Self.derive(accepted))
        }
        return keys
    }

    /// One secret, one key and one number; both hosts come to the same.
    static func derive(_ file: [UInt8]) throws(Missing) -> HMACAuthentication.Key {
        do {
            let secret = try PairSecret(parsing: file)
            let number = try secret.key("vrrp-hmac-number", count: 1)
            let octets = try secret.key("vrrp-hmac", count: derivedCount)
            guard let key = HMACAuthentication.Key(id: number[0], secret: octets) else {
                throw Missing(description: "a derived key of \(octets.count) octets")
            }
            return key
        } catch {
            throw Missing(description: "the pair secret gives no key: \(error)")
        }
    }
}

/// HMAC-SHA256 by OpenSSL.
struct LibraryAuthenticator: MessageAuthenticator {
    func hmacSHA256(key: [UInt8], message: Span<UInt8>) -> [UInt8]? {
        MessageDigest.hmacSHA256(key: key, message: message)
    }
}
