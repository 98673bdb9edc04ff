// What the balancer puts in a CONNECT in place of the device's own words.

import Wire

/// Client identifier, username and password to be written into a CONNECT before a server sees it: from a certificate,
/// an address, or a hash of the original.
///
/// Everything else stays as the device sent it, byte for byte: version, bridge bit, flags, keep-alive, properties and
/// will; the remaining length is written anew. A CONNECT in which nothing is to change is not touched at all.
package struct ConnectRewrite: Hashable, Sendable {
    /// What happens to a credential.
    package enum Change: Hashable, Sendable {
        /// The device's, or none when it has none.
        case keep
        case remove
        case set([UInt8])
    }

    /// Why a CONNECT cannot be rewritten; it is refused then, and never forwarded with half of the change.
    package enum Refusal: Error, Equatable, Sendable {
        /// The result would break this rule.
        case violation(Violation)
        /// A value is longer than 65,535 bytes, or the packet than 268,435,455.
        case oversize
    }

    /// UTF-8; nil: the device's.
    package var clientID: [UInt8]?
    /// UTF-8. Removing it in 3.x removes a kept password too, because there is none without a username
    /// (MQTT 3.1.1, [MQTT-3.1.2-22]); in 5.0 the password stays.
    package var username: Change
    package var password: Change

    package init(clientID: [UInt8]? = nil, username: Change = .keep, password: Change = .keep) {
        self.clientID = clientID
        self.username = username
        self.password = password
    }

    /// Whether nothing is to change.
    package var isEmpty: Bool { clientID == nil && username == .keep && password == .keep }

    /// The packet to send in place of the `packet` that `connect` was read from.
    ///
    /// - Parameter policy: What may stand in text; its limit to the length is for devices and not held here.
    /// - Throws: ``Refusal``.
    package func rewritten(
        _ connect: Connect, in packet: Span<UInt8>, policy: ConnectPolicy = ConnectPolicy()
    ) throws(Refusal) -> [UInt8] {
        if isEmpty { return ByteRange(offset: 0, count: connect.length).bytes(in: packet) }
        var draft = ConnectDraft(connect, in: packet)
        do throws(Violation) { try draft.apply(self, text: policy.text) } catch { throw .violation(error) }
        do throws(Oversize) { return try draft.encode() } catch { throw .oversize }
    }
}

extension ConnectDraft {
    /// Alters the fields that `rewrite` names.
    ///
    /// - Throws: The rule that the result would break; the draft is of no use then.
    fileprivate mutating func apply(_ rewrite: ConnectRewrite, text: UTF8Rule) throws(Violation) {
        func check(_ value: [UInt8]) throws(Violation) {
            if let violation = text.violation(value.span, ByteRange(offset: 0, count: value.count)) { throw violation }
        }
        if let clientID = rewrite.clientID {
            try check(clientID)
            if clientID.isEmpty, version == .v31 || (version == .v311 && !isCleanStart) { throw .clientIdentifierEmpty }
            self.clientID = clientID
        }
        switch rewrite.username {
        case .keep: break
        case .remove:
            username = nil
            forget(flags: ConnectFlags.username)
            if version != .v5 {
                password = nil
                forget(flags: ConnectFlags.password)
            }
        case .set(let username):
            try check(username)
            self.username = username
        }
        switch rewrite.password {
        case .keep: break
        case .remove:
            password = nil
            forget(flags: ConnectFlags.password)
        case .set(let password):
            // Also when 3.1 announces a username and sends none: the password would be read as one.
            if version != .v5, username == nil { throw .passwordWithoutUsername }
            self.password = password
        }
    }
}
