// What a configuration file means, after every check has passed: plain values, complete with their defaults.

package import Wire

/// A whole configuration, valid and complete: every default is filled in.
///
/// The same file is read on both hosts; ``node`` says which of its nodes this one is. Immutable: a reload makes a new
/// one and ``Difference`` tells them apart.
package struct Configuration: Hashable, Sendable {
    /// The hosts of the pair, in the order of the file. Empty when the balancer runs alone on one host.
    package var nodes: [Node] = []
    /// Which of ``nodes`` this host is; `nil` when there are none.
    package var node: Node.Name?
    package var pair: Pair?
    package var routers: [VirtualRouterSettings] = []
    package var listeners: [ListenerSettings] = []
    package var backends: [BackendSettings] = []
    package var tables: [TableSettings] = []
    package var status: SocketAddress?
    package var admin = AdminSettings()
    package var log = LogSettings()
    /// Event loops of the balancer; `nil`: one for each core.
    package var loops: Int?
    /// User and group the balancer runs as when started by root.
    package var user: String = "understudy"
    /// Most client sessions at one time, over all listeners.
    package var maximumSessions: Int = 1_000_000

    package init() {}

    /// The backend of that name.
    package func backend(named name: String) -> BackendSettings? { backends.first { $0.name == name } }
    /// The stick table of that name.
    package func table(named name: String) -> TableSettings? { tables.first { $0.name == name } }

    /// This host among ``nodes``.
    package var local: Node? { nodes.first { $0.name == node } }
    /// The other host of the pair.
    package var peer: Node? { node == nil ? nil : nodes.first { $0.name != node } }
}

extension Configuration {
    /// `node NAME { address A; priority N }`: one host of the pair.
    package struct Node: Hashable, Sendable {
        package typealias Name = String
        package var name: Name
        /// The host's own address: for adverts, the pair link and recognising itself.
        package var address: IPAddress
        /// VRRP priority, 1...254, when a router does not say otherwise.
        package var priority: UInt8 = 100

        package init(name: Name, address: IPAddress, priority: UInt8 = 100) {
            self.name = name
            self.address = address
            self.priority = priority
        }
    }

    /// `pair { secret FILE; port N }`: the link between the two nodes.
    package struct Pair: Hashable, Sendable {
        /// File with the pre-shared secret; not world-readable.
        package var secretPath: String
        package var port: UInt16 = 7946

        package init(secretPath: String) { self.secretPath = secretPath }
    }

    /// `vrrp NAME { … }`: one virtual router (RFC 9568).
    package struct VirtualRouterSettings: Hashable, Sendable {
        /// How advertisements travel.
        package enum Transport: Hashable, Sendable { case unicast, multicast }

        /// Whether a host of higher priority takes the address back.
        package enum Preempt: Hashable, Sendable {
            case never
            /// Take the address back after having been ready this long.
            case after(Duration)
        }

        package var name: String
        package var interface: String
        /// Virtual router identifier, 1...255.
        package var routerID: UInt8
        /// 2 or 3.
        package var version: UInt8 = 3
        /// The virtual addresses, in the order of the file; at least one.
        package var addresses: [IPPrefix]
        /// 10 ms ... 40.95 s.
        package var advertInterval: Duration = .milliseconds(100)
        package var transport: Transport = .unicast
        package var preempt: Preempt = .never
        /// This router's own priority on this host; the node's when the file does not say.
        package var priority: UInt8
        /// What the file says about this router's priority on each node, where it says something: the file is the
        /// same on both hosts, so it names the node.
        package var priorities: [Node.Name: UInt8] = [:]
        /// Interfaces besides ``interface`` that must be up.
        package var trackedInterfaces: [String] = []

        package init(name: String, interface: String, routerID: UInt8, addresses: [IPPrefix], priority: UInt8) {
            self.name = name
            self.interface = interface
            self.routerID = routerID
            self.addresses = addresses
            self.priority = priority
        }
    }

    /// `listen NAME { bind …; protocol …; use BACKEND }`.
    package struct ListenerSettings: Hashable, Sendable {
        package var name: String
        package var binds: [SocketAddress]
        package var `protocol`: ListenerProtocol = .mqtt
        /// Name of the backend.
        package var backend: String
        /// A whole CONNECT must have arrived this long after the accept.
        package var connectDeadline: Duration = .seconds(10)
        /// A CONNECT may be this long, fixed header included.
        package var maximumConnectSize: Int = 65_536
        /// Most sessions of this listener at one time.
        package var maximumSessions: Int = 1_000_000
        package var backlog: Int32 = 4096
        /// Silence after which a session ends; `nil`: 1.5 × the client's own keep-alive, and
        /// ``ListenerProtocol/usualIdleTimeout`` where there is no CONNECT.
        package var idleTimeout: Duration?
        /// Who may say in a PROXY header whom a connection is from; `nil`: nobody, and no header is expected.
        package var proxyAcceptance: ProxyAcceptance?
        /// A whole PROXY header must have arrived this long after the accept.
        package var proxyTimeout: Duration = .seconds(3)
        /// What of a CONNECT is replaced before a server sees it.
        package var rewriting = Rewriting()

        package init(name: String, binds: [SocketAddress], backend: String) {
            self.name = name
            self.binds = binds
            self.backend = backend
        }
    }

    /// What a listener speaks.
    package enum ListenerProtocol: String, Hashable, Sendable, CaseIterable {
        /// CONNECT is read and answered for.
        case mqtt
        /// Bytes are passed as they are, whatever they mean.
        case tcp
        /// As ``tcp``; a client that no server takes is told so in HTTP.
        case http

        /// Nothing that clients send is read.
        package var isOpaque: Bool { self != .mqtt }
        /// Silence of both sides after which a session without keep-alive ends.
        package static let usualIdleTimeout = Duration.seconds(3600)
    }

    /// `backend NAME { balance …; server … }`.
    package struct BackendSettings: Hashable, Sendable {
        /// How a server is chosen for a client the stick table does not know.
        package enum Algorithm: Hashable, Sendable { case roundRobin, leastConnections, hashClientID, source }

        package var name: String
        package var algorithm: Algorithm = .leastConnections
        package var servers: [ServerSettings]
        package var check = CheckSettings()
        /// Name of the stick table, when the backend sticks on the client ID.
        package var stickTable: String?
        package var connectTimeout: Duration = .seconds(2)
        /// CONNACK must arrive this long after the CONNECT was sent, else the next server is tried.
        package var connackTimeout: Duration = .seconds(5)
        /// How many servers are tried for one CONNECT before the client is refused.
        package var maximumTries: Int = 3
        /// The PROXY header connections to servers begin with; `nil`: none.
        package var proxySending: ProxySending?
        /// The header of health checks, where ``proxySending`` says that servers get one.
        package var checkHeader = CheckHeader.local

        package init(name: String, servers: [ServerSettings]) {
            self.name = name
            self.servers = servers
        }
    }

    /// `server NAME ADDRESS:PORT [weight N] [backup] [disabled]`.
    package struct ServerSettings: Hashable, Sendable {
        package var name: String
        package var address: SocketAddress
        /// 0...256; 0: gets no new sessions but those that stick to it.
        package var weight: Int = 1
        /// Used only when every other server is unusable.
        package var backup = false
        /// Starts in maintenance.
        package var disabled = false

        package init(name: String, address: SocketAddress) {
            self.name = name
            self.address = address
        }
    }

    /// `check KIND every D timeout D rise N fall N`.
    package struct CheckSettings: Hashable, Sendable {
        /// What a check does: nothing, a TCP connection, or a real MQTT exchange.
        package enum Kind: Hashable, Sendable { case none, tcp, mqtt }

        package var kind: Kind = .mqtt
        package var interval: Duration = .seconds(2)
        package var timeout: Duration = .seconds(1)
        package var rise: Int = 2
        package var fall: Int = 3

        package init() {}
    }

    /// `stick-table NAME { key client-id; size N; expire D; replicate }`.
    package struct TableSettings: Hashable, Sendable {
        package var name: String
        /// Most entries.
        package var size: Int = 1_048_576
        /// An entry nobody is connected for is forgotten after this long.
        package var expire: Duration = .seconds(30 * 60)
        package var replicates = false

        package init(name: String) { self.name = name }
    }

    /// `admin { socket PATH; group NAME }`.
    package struct AdminSettings: Hashable, Sendable {
        package var socketPath: String = "/run/understudy/admin.sock"
        package var group: String?

        package init() {}
    }

    /// `log { to journal|stderr; level L }`.
    package struct LogSettings: Hashable, Sendable {
        /// Where records go.
        package enum Target: Hashable, Sendable { case journal, standardError }
        /// The least severe records that are written, with syslog's numbers (RFC 5424, 6.2.1).
        package enum Level: Int, Hashable, Comparable, Sendable, CaseIterable {
            case error = 3
            case warning = 4
            case notice = 5
            case info = 6
            case debug = 7

            package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
        }

        package var target: Target = .standardError
        package var level: Level = .info

        package init() {}
    }
}
