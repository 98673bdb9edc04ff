// Reads a request for a WebSocket from the first bytes of a connection, however they are cut.

/// What a listener accepts as a request.
package struct UpgradePolicy: Hashable, Sendable {
    /// Longest request line and fields together, in bytes; at least 128.
    package let maximumLength: Int
    /// Most header fields.
    package let maximumFields: Int
    /// MQTT 5.0, [MQTT-6.0.0-3] asks the client to offer `mqtt`; some forget.
    package let requiresSubprotocol: Bool

    package init(maximumLength: Int = 8192, maximumFields: Int = 64, requiresSubprotocol: Bool = true) {
        precondition(maximumLength >= 128 && maximumFields >= 1)
        self.maximumLength = maximumLength
        self.maximumFields = maximumFields
        self.requiresSubprotocol = requiresSubprotocol
    }
}

/// Reads one request. Looks at each byte once, whatever the pieces; keeps no view of them.
package struct UpgradeRequestReader: Sendable {
    /// What the bytes are.
    package enum Outcome: Equatable, Sendable {
        /// The beginning of a request.
        case needMore
        case request(UpgradeRequest)
    }

    package let policy: UpgradePolicy
    private var scanner = HTTPHeadScanner()

    package init(policy: UpgradePolicy = UpgradePolicy()) { self.policy = policy }

    /// Reads.
    ///
    /// - Parameter bytes: Everything received so far, from the first byte; what was given before is still in it.
    /// - Throws: The refusal to send; the connection ends with it.
    package mutating func read(_ bytes: Span<UInt8>) throws(UpgradeRefusal) -> Outcome {
        let head: HTTPHead
        let length: Int
        do throws(HTTPHead.Fault) {
            guard let end = try scanner.scan(bytes, maximum: policy.maximumLength) else { return .needMore }
            length = end
            head = try HTTPHead(
                HTTPHeadScanner.copy(bytes, length: length), maximumFields: policy.maximumFields)
        } catch {
            switch error {
            case .malformed: throw UpgradeRefusal(.malformed)
            case .tooLong: throw UpgradeRefusal(.headTooLarge)
            case .tooManyFields: throw UpgradeRefusal(.tooManyFields)
            }
        }
        return .request(try request(head, length))
    }

    private func request(_ head: HTTPHead, _ length: Int) throws(UpgradeRefusal) -> UpgradeRequest {
        let words = head.start.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, HTTPHead.isToken(Array(words[0].utf8)[...]), words[2].hasPrefix("HTTP/") else {
            throw UpgradeRefusal(.malformed)
        }
        guard words[2] == "HTTP/1.1" else {
            let isVersion = words[2].utf8.count == 8 && words[2].utf8.dropFirst(5).allSatisfy { 0x2E...0x39 ~= $0 }
            throw UpgradeRefusal(isVersion ? .versionNotSupported : .malformed)
        }
        guard words[0] == "GET" else { throw UpgradeRefusal(.methodNotAllowed) }
        let target = try target(words[1], head)
        if !head.values("transfer-encoding").isEmpty || head.list("content-length").contains(where: { $0 != "0" }) {
            throw UpgradeRefusal(.body)
        }
        guard head.contains("websocket", in: "upgrade"), head.contains("upgrade", in: "connection") else {
            throw UpgradeRefusal(.upgradeRequired)
        }
        guard head.values("sec-websocket-version") == ["13"] else { throw UpgradeRefusal(.versionRequired) }
        let keys = head.values("sec-websocket-key")
        guard keys.count == 1, Base64.isSixteenBytes(keys[0]) else { throw UpgradeRefusal(.key) }
        let offered = head.list("sec-websocket-protocol")
        let subprotocol = Subprotocol.allCases.first { offered.contains($0.rawValue) }
        if subprotocol == nil, policy.requiresSubprotocol { throw UpgradeRefusal(.subprotocolMissing) }
        let origins = head.values("origin")
        let forwarded = head.values("x-forwarded-for")
        guard origins.count <= 1, (origins + forwarded).allSatisfy(HTTPHead.isPlain) else {
            throw UpgradeRefusal(.malformed)
        }
        let parts = target.path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return UpgradeRequest(
            host: target.host, path: parts[0], query: parts.count > 1 ? parts[1] : nil, key: keys[0],
            subprotocol: subprotocol, origin: origins.first,
            forwardedFor: forwarded.isEmpty ? nil : forwarded.joined(separator: ", "), length: length)
    }

    /// Host and path: of the target in its absolute form, which takes precedence (RFC 9112, 3.2.2), or of Host.
    private func target(_ text: Substring, _ head: HTTPHead) throws(UpgradeRefusal) -> (host: String, path: String) {
        guard text.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "#") }) else {
            throw UpgradeRefusal(.malformed)
        }
        // RFC 9112, 3.2: exactly one, or 400.
        let hosts = head.values("host")
        guard hosts.count == 1, isHost(hosts[0][...]) else { throw UpgradeRefusal(.host) }
        if text.hasPrefix("/") { return (hosts[0], String(text)) }
        for scheme in ["http://", "https://", "ws://", "wss://"] where text.lowercased().hasPrefix(scheme) {
            let rest = text.dropFirst(scheme.count)
            let host = rest.prefix { $0 != "/" && $0 != "?" }
            guard isHost(host) else { throw UpgradeRefusal(.host) }
            let path = rest.dropFirst(host.count)
            return (String(host), path.hasPrefix("/") ? String(path) : "/" + path)
        }
        throw UpgradeRefusal(.malformed)
    }

    /// Letters, digits and what stands in names, addresses and ports (RFC 3986, 3.2.2); no user, nothing encoded.
    private func isHost(_ text: Substring) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"): true
                case UInt8(ascii: "["), UInt8(ascii: "]"): true
                default: false
                }
            }
    }
}
