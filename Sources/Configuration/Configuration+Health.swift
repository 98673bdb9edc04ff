// What a configuration says about health checks and what follows from them.

package import Wire

extension Configuration {
    /// `check KIND every D timeout D rise N fall N …`.
    package struct CheckSettings: Hashable, Sendable {
        /// What a check does.
        package enum Kind: String, Hashable, Sendable, CaseIterable {
            /// Nothing: servers are always up.
            case none
            /// A connection.
            case tcp
            /// CONNECT, CONNACK, DISCONNECT.
            case mqtt
            /// A GET and its status.
            case http
            /// A line of text from a program beside the server (HAProxy's agent-check).
            case agent
            /// A connection and a TLS handshake. The last: the word is an option of other kinds too.
            case tls
        }

        package var kind: Kind = .mqtt
        package var interval: Duration = .seconds(2)
        /// While the verdict is open; `nil`: a quarter of ``interval``.
        package var fastInterval: Duration?
        package var timeout: Duration = .seconds(1)
        package var rise: Int = 2
        package var fall: Int = 3
        /// Where to ask, instead of the server's own port and address.
        package var port: UInt16?
        package var address: IPAddress?
        /// Whether a check at a place of its own speaks TLS; at the server's own place it is spoken to like sessions.
        package var isEncrypted = false

        /// Of ``Kind/mqtt``: ask as an MQTT 5.0 client instead of 3.1.1.
        package var isVersion5 = false
        /// `nil`: one that names this host and process.
        package var clientID: String?
        package var username: String?
        package var password: String?

        /// Of ``Kind/http``.
        package var path = "/"
        /// The Host field; `nil`: the server's address.
        package var httpHost: String?
        package var expectedStatus = 200
        /// The status that means: alive, but no new sessions.
        package var drainStatus: Int?

        package init() {}
    }

    /// `on-down close [spread D] | keep`: what becomes of the sessions of a server that went down.
    package enum OnDown: Hashable, Sendable {
        /// They stay until one side ends them.
        case keep
        /// They are closed, spread over this time; `nil`: 2000 a second.
        case close(spread: Duration?)
    }
}
