// Why a request does not become a WebSocket, and how that is said.

/// An HTTP answer that refuses an upgrade.
package struct UpgradeRefusal: Error, Hashable, Sendable {
    /// The status codes we answer with (RFC 9110, 15; RFC 6585).
    package enum Status: Int, CaseIterable, Sendable {
        case badRequest = 400
        case forbidden = 403
        case notFound = 404
        case methodNotAllowed = 405
        case upgradeRequired = 426
        case headTooLarge = 431
        case unavailable = 503
        case versionNotSupported = 505

        package var phrase: String {
            switch self {
            case .badRequest: "Bad Request"
            case .forbidden: "Forbidden"
            case .notFound: "Not Found"
            case .methodNotAllowed: "Method Not Allowed"
            case .upgradeRequired: "Upgrade Required"
            case .headTooLarge: "Request Header Fields Too Large"
            case .unavailable: "Service Unavailable"
            case .versionNotSupported: "HTTP Version Not Supported"
            }
        }
    }

    /// What was wrong; each has one status and one sentence.
    package enum Reason: Int, CaseIterable, Sendable {
        // Found by the reader.
        case malformed, headTooLarge, tooManyFields, methodNotAllowed, versionNotSupported, host, body
        case upgradeRequired, versionRequired, key, subprotocolMissing
        // Found by the caller.
        case unknownHost, unknownPath, forbidden, unavailable

        /// The stable name, for counters and logs: `subprotocol-missing`.
        package var name: String { row.name }
        package var status: Status { row.status }
        /// One sentence for the client.
        package var text: String { row.text }

        private var row: (name: String, status: Status, text: String) {
            switch self {
            case .malformed: ("malformed", .badRequest, "This is no HTTP/1.1 request.")
            case .headTooLarge: ("head-too-large", .headTooLarge, "The request is too long.")
            case .tooManyFields: ("too-many-fields", .headTooLarge, "The request has too many header fields.")
            case .methodNotAllowed: ("method-not-allowed", .methodNotAllowed, "Only GET is understood here.")
            case .versionNotSupported: ("version-not-supported", .versionNotSupported, "HTTP/1.1 is spoken here.")
            case .host: ("host", .badRequest, "The request needs exactly one valid Host.")
            case .body: ("body", .badRequest, "A request for a WebSocket has no body.")
            case .upgradeRequired: ("upgrade-required", .upgradeRequired, "MQTT over WebSocket is spoken here.")
            case .versionRequired: ("version-required", .upgradeRequired, "WebSocket version 13 is spoken here.")
            case .key: ("key", .badRequest, "The request needs exactly one valid Sec-WebSocket-Key.")
            case .subprotocolMissing: ("subprotocol-missing", .badRequest, "The subprotocol mqtt was not offered.")
            case .unknownHost: ("unknown-host", .notFound, "There is nothing here under that name.")
            case .unknownPath: ("unknown-path", .notFound, "There is nothing here.")
            case .forbidden: ("forbidden", .forbidden, "This is not for you.")
            case .unavailable: ("unavailable", .unavailable, "No server can take the connection now.")
            }
        }
    }

    package let reason: Reason

    package init(_ reason: Reason) { self.reason = reason }

    /// The whole answer; the connection is closed behind it.
    package var response: [UInt8] {
        let status = reason.status
        var lines = ["HTTP/1.1 \(status.rawValue) \(status.phrase)"]
        switch reason {
        case .methodNotAllowed: lines.append("Allow: GET")
        // RFC 9110, 15.5.22 and RFC 6455, 4.4.
        case .upgradeRequired, .versionRequired:
            lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Connection: Upgrade, close"]
        default: break
        }
        if status != .upgradeRequired { lines.append("Connection: close") }
        let body = reason.text + "\n"
        lines += ["Content-Type: text/plain; charset=utf-8", "Content-Length: \(body.utf8.count)", "", body]
        return Array(lines.joined(separator: "\r\n").utf8)
    }
}
