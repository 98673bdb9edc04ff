// Whom to load, or where to serve: a URL of four schemes.

import Linux
package import Wire

/// `mqtt://HOST[:PORT]`, `mqtts://…`, `ws://…[/PATH]`, `wss://…[/PATH]`.
package struct BenchURL: Hashable, Sendable {
    /// What is wrong with a URL.
    package struct Wrong: Error, Hashable { package let message: String }

    /// How the bytes travel.
    package enum Scheme: String, CaseIterable, Sendable {
        case mqtt, mqtts, ws, wss

        package var isEncrypted: Bool { self == .mqtts || self == .wss }
        package var isWebSocket: Bool { self == .ws || self == .wss }
        /// Where it is usually served.
        var port: UInt16 {
            switch self {
            case .mqtt: 1883
            case .mqtts: 8883
            case .ws: 8083
            case .wss: 8084
            }
        }
    }

    package let scheme: Scheme
    /// A name, or an address without brackets.
    package let host: String
    package let port: UInt16
    /// Begins with a slash; meaningful for WebSocket only.
    package let path: String

    /// - Throws: what is wrong with it, in a sentence.
    package init(_ text: String) throws(Wrong) {
        let parts = text.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[1].isEmpty, parts[0].hasSuffix(":"),
            let scheme = Scheme(rawValue: String(parts[0].dropLast()))
        else { throw Wrong(message: "\"\(text)\" is no URL: mqtt://HOST:PORT, mqtts, ws or wss") }
        self.scheme = scheme
        path = "/" + (parts.count > 3 ? String(parts[3]) : scheme.isWebSocket ? "mqtt" : "")
        let authority = parts[2]
        var rest = authority[...]
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            rest = authority[authority.index(after: end)...]
        } else {
            host = String(authority.prefix { $0 != ":" })
            rest = authority.dropFirst(host.count)
        }
        guard !host.isEmpty else { throw Wrong(message: "\"\(text)\" names no host") }
        if rest.isEmpty {
            port = scheme.port
        } else {
            guard rest.hasPrefix(":"), let number = UInt16(rest.dropFirst()), number > 0 else {
                throw Wrong(message: "\"\(text)\": the port is a number from 1 to 65535")
            }
            port = number
        }
    }

    /// The address; a name is looked up, and IPv4 comes first.
    ///
    /// - Throws: what the lookup said.
    package func address() throws(Wrong) -> SocketAddress {
        if host == "*" { return SocketAddress(.v4(IPv4Address(0)), port: port) }
        if let address = IPAddress(host) { return SocketAddress(address, port: port) }
        do {
            let found = try NameLookup.system(host).sorted()
            if let first = found.first { return SocketAddress(first, port: port) }
        } catch {
            throw Wrong(message: "\(host): \(error)")
        }
        throw Wrong(message: "\(host) has no address")
    }

    /// The URL, as it would be written.
    package var text: String {
        let authority = host.contains(":") ? "[\(host)]" : host
        return "\(scheme.rawValue)://\(authority):\(port)" + (scheme.isWebSocket ? path : "")
    }
}
