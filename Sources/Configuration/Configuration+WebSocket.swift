// What a configuration says of MQTT inside WebSockets.

extension Configuration {
    /// `protocol mqtt over websocket path PATH [host NAME]…`: which requests a listener takes.
    package struct WebSocketSettings: Hashable, Sendable {
        /// The path, and whatever is below it.
        package var path: String
        /// Names a request may have as its host, in lower case; empty: any.
        package var hosts: [String] = []

        package init(path: String, hosts: [String] = []) {
            self.path = path
            self.hosts = hosts
        }

        /// The arguments of `protocol` that say so.
        var text: String {
            "mqtt over websocket path \(written(path))" + hosts.map { " host \(written($0))" }.joined()
        }
    }

    /// `server … websocket TARGET [host NAME]`: what we ask a server for.
    package struct ServerWebSocketSettings: Hashable, Sendable {
        /// Path and query; begins with a slash.
        package var target: String
        /// What the request says as its host; `nil`: what the client said, else the server's address.
        package var host: String?

        package init(target: String, host: String? = nil) {
            self.target = target
            self.host = host
        }

        /// The options of `server` that say so.
        var text: String { "websocket \(written(target))" + (host.map { " host \(written($0))" } ?? "") }
    }
}
