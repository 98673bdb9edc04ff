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
    /// Virtual routers that move together; a router is in one group at most.
    package var syncGroups: [SyncGroupSettings] = []
    package var listeners: [ListenerSettings] = []
    package var backends: [BackendSettings] = []
    package var tables: [TableSettings] = []
    package var scripts: [ScriptSettings] = []
    package var resolver = ResolverSettings()
    /// Where the status pages are served; empty: nowhere.
    package var statusBinds: [SocketAddress] = []
    package var admin = AdminSettings()
    package var log = LogSettings()
    package var drain = DrainSettings()
    /// Event loops of the balancer; `nil`: one for each core.
    package var loops: Int?
    /// User and group the balancer runs as when started by root.
    package var user: String = "understudy"
    /// Most client sessions at one time, over all listeners.
    package var maximumSessions: Int = 1_000_000
    /// Over how long sessions are closed that cannot be kept when the balancer dies.
    package var closeSpread = Configuration.usualCloseSpread
    /// Real-time priority of the `vip` process, 1...99 (`SCHED_RR`); `nil`: an ordinary process.
    package var realtimePriority: Int? = 10

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
        /// Its address of the other family, for adverts alone; `nil`: it has none.
        package var otherAddress: IPAddress?
        /// VRRP priority, 1...254, when a router does not say otherwise.
        package var priority: UInt8 = 100

        package init(name: Name, address: IPAddress, priority: UInt8 = 100) {
            self.name = name
            self.address = address
            self.priority = priority
        }

        /// Its addresses as the file has them.
        package var addresses: [IPAddress] { [address] + (otherAddress.map { [$0] } ?? []) }

        /// Its address of a family; `nil`: it has none.
        package func address(of family: AddressFamily) -> IPAddress? { addresses.first { $0.family == family } }

        /// Takes the first address that is written, and the second.
        mutating func add(_ new: IPAddress) { if address.isUnspecified { address = new } else { otherAddress = new } }
    }

    /// `pair { secret FILE; port N }`: the link between the two nodes.
    package struct Pair: Hashable, Sendable {
        /// File with the pre-shared secret; not world-readable.
        package var secretPath: String
        /// File with another secret that is accepted for adverts while one replaces the other.
        package var acceptedSecretPath: String?
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
        /// The virtual addresses, in the order of the file; at least one. Those of each family are a router of their own.
        package var addresses: [Address]
        /// 10 ms ... 40.95 s; whole seconds, 255 s at most, in version 2.
        package var advertInterval: Duration = .milliseconds(100)
        /// Adverts in a row that must be missed before a backup takes over, 1...100.
        package var downTimerAdverts: Int = 3
        /// The form sent; both are accepted.
        package var checksum: Checksum = .pseudoHeader
        package var authentication = Authentication()
        package var transport: Transport = .unicast
        /// The routers spoken to one by one instead of the other node; empty: the other node.
        package var peers: [IPAddress] = []
        package var preempt: Preempt = .never
        /// This router's own priority on this host; the node's when the file does not say.
        package var priority: UInt8
        /// What the file says about this router's priority on each node, where it says something: the file is the
        /// same on both hosts, so it names the node.
        package var priorities: [Node.Name: UInt8] = [:]
        package var announcements = Announcements()
        /// In the order in which they run.
        package var hooks: [Hook] = []
        /// What it depends on besides ``interface``.
        package var tracking = Tracking()

        package init(name: String, interface: String, routerID: UInt8, addresses: [Address], priority: UInt8) {
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
        /// Name of the backend for whom none of ``routes`` is.
        package var backend: String
        /// Rules for some of the clients, the first that fits; in the order of the file.
        package var routes: [RouteSettings] = []
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
        /// MQTT comes inside a WebSocket; `nil`: it does not.
        package var webSocket: WebSocketSettings?
        /// Networks whose X-Forwarded-For is believed.
        package var trustedForwarders: [IPPrefix] = []
        /// Limits on rates, sources and clients, and access lists.
        package var admission = AdmissionSettings()
        /// `nil`: clients speak in the clear.
        package var tls: ListenerTLS?

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
        package enum Algorithm: Hashable, Sendable {
            case roundRobin, leastConnections, source, random, first
            /// - Parameter loadPercent: A server gets at most this much of its fair load, above 100; `nil`: no bound.
            case hashClientID(loadPercent: Int? = nil)
        }

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
        package var onDown = OnDown.close(spread: nil)
        /// Where connections to the servers come from, in the order of the file; empty: as the kernel chooses.
        package var sources: [SourceSettings] = []
        /// `nil`: servers are spoken to in the clear.
        package var tls: BackendTLS?

        package init(name: String, servers: [ServerSettings]) {
            self.name = name
            self.servers = servers
        }
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
}
