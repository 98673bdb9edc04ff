// What a configuration says about the way to a backend: rules in a listener, source addresses in a backend.

package import Wire

extension Configuration {
    /// `use BACKEND when …` in a listener.
    package struct RouteSettings: Hashable, Sendable {
        /// Which clients a rule is for.
        package enum Condition: Hashable, Sendable {
            /// By the name asked for in the handshake; `*` stands for anything.
            case sni(String)
            /// By the user name of the CONNECT; `*` stands for anything.
            case username(String)
            /// By the beginning of the client ID.
            case clientID(String)
            /// By the common name of the client's certificate; `*` stands for anything.
            case certificateName(String)
            /// Hundredths of a percent of all clients, always the same ones.
            case percentage(Int)
        }

        /// Name of the backend.
        package var backend: String
        package var condition: Condition

        package init(backend: String, condition: Condition) {
            self.backend = backend
            self.condition = condition
        }
    }

    /// `source ADDRESS|* [share N%] [node NODE]` in a backend.
    package struct SourceSettings: Hashable, Sendable {
        /// `nil`: the address the kernel chooses.
        package var address: IPAddress?
        /// Hundredths of a percent of the clients; `nil`: without any share in turn, else what the others leave.
        package var share: Int?
        /// The node it holds on; `nil`: on both.
        package var node: Node.Name?

        package init(address: IPAddress?, share: Int? = nil, node: Node.Name? = nil) {
            self.address = address
            self.share = share
            self.node = node
        }
    }

    /// The sources of a backend that hold on this host.
    package func sources(of backend: BackendSettings) -> [SourceSettings] {
        backend.sources.filter { $0.node == nil || $0.node == node }
    }
}
