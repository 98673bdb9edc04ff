// The sockets and memories that outlive the balancer, kept while it is dead.

import Configuration
import Control
import Linux
import TLS
import Wire

/// Listening sockets and memfds by what they are for.
///
/// Kept here so that a killed balancer's successor finds the connections that wait in the listeners' queues, and its
/// tables. The holder of a later step, a process with the balancer's own rights, takes this over; then the supervisor
/// gives them away at the first start and keeps none.
struct Holdings {
    /// One descriptor, open as long as anybody refers to it.
    final class Holding {
        let descriptor: FileDescriptor

        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    /// What a descriptor is, whatever the configuration calls it.
    private enum Key: Hashable {
        case listener(SocketAddress, backlog: Int32, loop: Int)
        case memory(name: String, bytes: Int)
        case secret(name: String, contents: [UInt8])
    }

    /// What this configuration needs of the supervisor, by the names the balancer knows.
    typealias Named = [DescriptorName: Holding]

    /// Connections that wait to be shown a status page.
    private static let statusBacklog: Int32 = 64

    /// How many event loops a configuration means.
    private let loops: (Configuration) -> Int
    /// How many bytes the memory of a stick table takes.
    private let tableBytes: (Configuration.TableSettings) -> Int
    private var held: [Key: Holding] = [:]
    /// Loops of the balancer that lives: it listens on no more sockets than that, whatever the configuration says by now.
    private(set) var loopsInForce: Int?
    /// Session tickets of a host that is alone are sealed with this: drawn once, so that they outlive the balancer.
    let ownTicketSecret: [UInt8]

    /// - Parameter heritage: what the program before this one held.
    init(
        loops: @escaping (Configuration) -> Int, tableBytes: @escaping (Configuration.TableSettings) -> Int,
        heritage: Heritage? = nil
    ) throws(Errno) {
        self.loops = loops
        self.tableBytes = tableBytes
        if let heritage {
            ownTicketSecret = heritage.ticketSecret
            loopsInForce = heritage.loops
            for holding in heritage.holdings { try take(holding) }
            return
        }
        var generator = SystemRandomNumberGenerator()
        ownTicketSecret = (0..<TicketKeys.secretCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    // MARK: From one program to the next

    private mutating func take(_ holding: Heritage.Holding) throws(Errno) {
        let key: Key
        switch holding {
        case .listener(let address, let backlog, let loop, _): key = .listener(address, backlog: backlog, loop: loop)
        case .memory(let name, let bytes, _): key = .memory(name: name, bytes: bytes)
        case .secret(let name, let number):
            key = .secret(name: name, contents: try Memfd.contents(number, limit: Heritage.secretLimit))
        }
        held[key] = Holding(FileDescriptor(owning: holding.descriptor))
    }

    /// What the next program is told of everything that is held.
    var bequest: [Heritage.Holding] {
        held.map { key, holding in
            let number = holding.descriptor.number
            return switch key {
            case .listener(let address, let backlog, let loop): .listener(address, backlog: backlog, loop: loop, number)
            case .memory(let name, let bytes): .memory(name: name, bytes: bytes, number)
            case .secret(let name, _): .secret(name: name, number)
            }
        }.sorted { $0.descriptor < $1.descriptor }
    }

    /// The holding with this descriptor.
    func holding(_ number: Int32) -> Holding? { held.values.first { $0.descriptor.number == number } }

    // MARK: Opening

    /// Opens what a configuration needs and is not open yet. What another configuration needs stays open until
    /// ``keep(only:)``.
    ///
    /// - Throws: `Errno` of the first thing that cannot be had, for example an address that somebody else listens on.
    mutating func open(for loaded: LoadedConfiguration) throws(Errno) -> Named {
        var named: Named = [:]
        let count = loopsInForce ?? loops(loaded.configuration)
        loopsInForce = count
        for listener in loaded.configuration.listeners {
            for (bind, address) in listener.binds.enumerated() {
                for loop in 0..<count {
                    let key = Key.listener(address, backlog: listener.backlog, loop: loop)
                    named[.listener(listener.name, bind: bind, loop: loop)] = try hold(key) { () throws(Errno) in
                        try Socket.listen(address, backlog: listener.backlog, reusePort: true)
                    }
                }
            }
        }
        for (bind, address) in loaded.configuration.statusBinds.enumerated() {
            let key = Key.listener(address, backlog: Self.statusBacklog, loop: 0)
            named[.status(bind: bind)] = try hold(key) { () throws(Errno) in
                try Socket.listen(address, backlog: Self.statusBacklog, reusePort: true)
            }
        }
        for table in loaded.configuration.tables {
            let bytes = tableBytes(table)
            named[.table(table.name)] = try hold(.memory(name: table.name, bytes: bytes)) { () throws(Errno) in
                try Memfd.create(name: "understudy-table-\(table.name)", size: bytes)
            }
        }
        if let bytes = loaded.pairSecret { named[.pairSecret] = try secret("pair", bytes) }
        for (path, bytes) in loaded.identityKeys { named[.identityKey(path)] = try secret("identity", bytes) }
        try openEncryption(for: loaded, &named)
        for (name, bytes) in loaded.vrrpSecrets { named[name] = try secret(name.text, bytes) }
        return named
    }

    /// A new balancer has as many loops as this configuration means.
    ///
    /// - Returns: whether that is another number than before.
    mutating func renewLoops(for configuration: Configuration) -> Bool {
        let count = loops(configuration)
        defer { loopsInForce = count }
        return loopsInForce != count
    }

    /// What the balancer needs for TLS: it opens no file itself.
    private mutating func openEncryption(for loaded: LoadedConfiguration, _ named: inout Named) throws(Errno) {
        for (name, material) in loaded.tls.listeners {
            named[.tls(listener: name)] = try secret("tls-listen-\(name)", material.encoded)
        }
        for (name, material) in loaded.tls.backends {
            named[.tls(backend: name)] = try secret("tls-backend-\(name)", material.encoded)
        }
        guard !loaded.tls.listeners.isEmpty else { return }
        named[.ticketSecret] = try secret("tickets", loaded.ticketSecret ?? ownTicketSecret)
    }

    private mutating func secret(_ name: String, _ contents: [UInt8]) throws(Errno) -> Holding {
        try hold(.secret(name: name, contents: contents)) { () throws(Errno) in
            try Memfd.sealed(name: "understudy-\(name)", contents)
        }
    }

    private mutating func hold(_ key: Key, _ open: () throws(Errno) -> FileDescriptor) throws(Errno) -> Holding {
        if let known = held[key] { return known }
        let holding = Holding(try open())
        held[key] = holding
        return holding
    }

    /// Closes everything that none of these needs.
    mutating func keep(only named: Named) {
        held = held.filter { entry in named.values.contains { $0 === entry.value } }
    }
}
