// What a configuration says about the servers of a backend, and how their names are looked up.

package import Wire

extension Configuration {
    /// `server NAME HOST:PORT [weight N] [backup] …`.
    package struct ServerSettings: Hashable, Sendable {
        /// Where a server is.
        package enum Host: Hashable, Sendable {
            case address(SocketAddress)
            /// A name to look up. With several addresses there are as many servers.
            case name(String, port: UInt16)
        }

        package var name: String
        package var host: Host
        /// 0...256; 0: gets no new sessions but those that stick to it.
        package var weight: Int = 1
        /// Used only when every other server is unusable.
        package var backup = false
        /// Starts in maintenance.
        package var disabled = false
        /// Most sessions at a time on this host, at least 1; `nil`: no bound.
        package var maximumConnections: Int?
        /// How long its weight grows after it came back; zero: at once.
        package var slowStart: Duration = .zero
        /// Sessions that cannot connect, within ``failTimeout``, that keep others away for as long; `nil`: none do.
        package var maximumFails: Int?
        package var failTimeout: Duration = .seconds(10)
        /// The server speaks MQTT inside a WebSocket; `nil`: it does not.
        package var webSocket: ServerWebSocketSettings?

        package init(name: String, host: Host) {
            self.name = name
            self.host = host
        }

        /// A server at an address.
        package init(name: String, address: SocketAddress) { self.init(name: name, host: .address(address)) }

        /// The address, where the file has one; `nil`: it is to be looked up.
        package var address: SocketAddress? { if case .address(let address) = host { address } else { nil } }
        /// The name to look up, where the file has one.
        package var hostName: String? { if case .name(let name, _) = host { name } else { nil } }

        package var port: UInt16 {
            switch host {
            case .address(let address): address.port
            case .name(_, let port): port
            }
        }
    }

    /// `resolver system|ADDRESS:PORT every D timeout D`.
    package struct ResolverSettings: Hashable, Sendable {
        /// The name server that is asked; `nil`: the system's own way (hosts file, resolv.conf).
        package var server: SocketAddress?
        /// How long an answer is believed before it is asked for again, whatever its time to live says.
        package var interval: Duration = .seconds(30)
        /// How long one question waits for its answer.
        package var timeout: Duration = .seconds(2)

        package init() {}
    }

    /// Most addresses of one name that become servers; the others are left out, lowest first.
    package static let maximumAddressesOfName = 16
}
