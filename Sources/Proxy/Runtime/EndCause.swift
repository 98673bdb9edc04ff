// Why a session ended.

/// The cause of a session's end: one word for logs, counters and `status`.
enum EndCause: Int, CaseIterable, Sendable {
    case clientClosed, serverClosed, clientReset, serverReset
    /// The client was silent for 1.5 × its keep-alive, or for the listener's `timeout idle`.
    case idle
    /// No whole CONNECT in time.
    case connectDeadline
    /// Not one byte in time.
    case firstByteDeadline
    /// The first bytes were no acceptable CONNECT; counted by violation as well.
    case refused
    /// No server could be found, or none took the CONNECT.
    case noServer
    /// The client went away before its CONNACK.
    case abandoned
    /// A limit was reached; counted by limit as well.
    case limit
    /// An access rule keeps the client's network out.
    case denied
    /// The operator drains the server.
    case drained
    /// The address moves to the other host.
    case steppedDown
    /// The daemon stops.
    case shutdown
    /// One side ended its stream and the other did not follow in time.
    case halfClosed
    /// No PROXY header, a wrong one, or from somebody who is not trusted; counted by rule as well.
    case proxyRefused
    /// No whole PROXY header in time.
    case proxyDeadline
    /// The identity servers are to see could not be made; counted by reason as well.
    case identityRefused
    /// No TLS handshake in time.
    case handshakeDeadline
    /// Authentication in several steps came to no CONNACK in time.
    case authenticationDeadline
    /// TLS with the client failed.
    case clientTLS
    /// TLS with the server failed after its CONNACK.
    case serverTLS
    /// A side broke a rule of WebSocket frames; counted by rule as well.
    case frameViolation
    /// The client's request for a WebSocket was refused; counted by reason as well.
    case upgradeRefused
    /// Balancers died of clients with this ID.
    case poison
    /// What it needs died with a former process: TLS that OpenSSL keeps.
    case unkept
    /// The kernel refused a call that should not fail.
    case failure
    /// Keys of TLS 1.2 have sealed as much as they may, and it has no new ones.
    case keysSpent

    /// The stable name: `client-closed`.
    var name: String {
        switch self {
        case .clientClosed: "client-closed"
        case .serverClosed: "server-closed"
        case .clientReset: "client-reset"
        case .serverReset: "server-reset"
        case .idle: "idle"
        case .connectDeadline: "connect-deadline"
        case .firstByteDeadline: "first-byte-deadline"
        case .refused: "refused"
        case .noServer: "no-server"
        case .abandoned: "abandoned"
        case .limit: "limit"
        case .denied: "denied"
        case .drained: "drained"
        case .steppedDown: "stepped-down"
        case .shutdown: "shutdown"
        case .halfClosed: "half-closed"
        case .proxyRefused: "proxy-refused"
        case .proxyDeadline: "proxy-deadline"
        case .identityRefused: "identity-refused"
        case .handshakeDeadline: "handshake-deadline"
        case .authenticationDeadline: "authentication-deadline"
        case .clientTLS: "client-tls"
        case .serverTLS: "server-tls"
        case .frameViolation: "frame-violation"
        case .upgradeRefused: "upgrade-refused"
        case .poison: "poison"
        case .unkept: "unkept"
        case .failure: "failure"
        case .keysSpent: "keys-spent"
        }
    }
}
