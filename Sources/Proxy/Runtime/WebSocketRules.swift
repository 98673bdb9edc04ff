// Which requests for a WebSocket a listener takes.

import WebSocket
import Wire

/// The rules of `protocol mqtt over websocket`.
struct WebSocketRules: Hashable, Sendable {
    /// The path, and whatever is below it.
    var path: String
    /// Names in lower case; empty: any.
    var hosts: [String] = []
    /// Whose X-Forwarded-For is believed.
    var trusted: [IPPrefix] = []

    /// Why a request is not for us; `nil` when it is.
    func refusal(of request: UpgradeRequest) -> UpgradeRefusal.Reason? {
        guard hosts.isEmpty || hosts.contains(request.hostName) else { return .unknownHost }
        guard request.path == path || request.path.hasPrefix(path.hasSuffix("/") ? path : path + "/") else {
            return .unknownPath
        }
        return nil
    }

    /// Whether the fields of a request from this address are believed.
    func trusts(_ address: IPAddress) -> Bool {
        trusted.contains { $0.contains(address) || $0.contains(address.unmapped) }
    }

    /// The client behind a chain of proxies: the last address in it that is not itself trusted.
    func client(in chain: String) -> IPAddress? {
        var found: IPAddress?
        for element in chain.split(separator: ",").reversed() {
            guard let address = IPAddress(element.drop { $0 == " " }.prefix { $0 != " " }) else { break }
            found = address
            if !trusts(address) { break }
        }
        return found
    }
}
