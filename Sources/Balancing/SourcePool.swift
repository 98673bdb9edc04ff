// The addresses that connections to servers come from, and how many ports each of them has left.

package import Wire

/// The `source` addresses of one backend.
///
/// A connection is told from others by its two addresses and two ports, so one source address has as many connections
/// to one server as there are local ports (`net.ipv4.ip_local_port_range`, about 28,000). What is counted here are our own
/// sessions: the count chooses and warns, the kernel alone refuses.
///
/// **Indices are handles**, as in ``Backend``: a source keeps its index over reloads, and a removed one's is given to
/// another when none of its sessions is left.
package struct SourcePool: Sendable {
    /// What the configuration says about one source.
    package struct Settings: Hashable, Sendable {
        /// `nil`: the address the kernel chooses by its routes.
        package var address: IPAddress?
        /// Its part of the clients in hundredths of a percent; `nil`: what the others leave.
        package var share: Int?

        package init(address: IPAddress?, share: Int? = nil) {
            self.address = address
            self.share = share
        }
    }

    /// A source that runs out of ports to one server.
    package struct Shortage: Hashable, Sendable {
        package let address: IPAddress?
        package let server: Int
        package let used: Int
        package let ports: Int
    }

    /// Most sources, removed ones with sessions included; a session's slot has a byte for the index.
    package static let maximumSources = 64
    /// The part of the ports, in percent, at which the operator is warned; and below which a new warning may come.
    package static let warningPercent = 80
    package static let calmPercent = 70
    /// Most warnings kept until they are fetched.
    static let maximumShortages = 256

    private struct Source: Sendable {
        var settings: Settings
        var isRetired = false
        /// Sessions by server index.
        var used: [Int] = []
        /// Servers the operator was warned about.
        var warned: Set<Int> = []
        var isFree: Bool { isRetired && used.allSatisfy { $0 == 0 } }
    }

    private var sources: [Source] = []
    /// Indices of those in the configuration, in the file's order; never empty.
    private var order: [Int] = []
    /// Place in ``order`` at which the next session without shares begins to look.
    private var cursor = 0
    private var shortages: [Shortage] = []
    /// Local ports of one address; at least 1.
    package private(set) var ports: Int
    /// Times the kernel had no port left, by its own word.
    package private(set) var exhaustions: UInt64 = 0

    /// - Parameter settings: At most ``maximumSources``, which the check of a file sees to. Empty: one source, which the kernel
    ///   chooses.
    package init(_ settings: [Settings], ports: Int) {
        self.ports = max(1, ports)
        let hasRoom = apply(settings, ports: ports)
        precondition(hasRoom, "more sources than there are bits for them")
    }

    /// Takes over what a reload says; sessions keep their sources.
    ///
    /// - Returns: `false`, and nothing is changed, when there are more than ``maximumSources``.
    package mutating func apply(_ settings: [Settings], ports: Int) -> Bool {
        let wanted = settings.isEmpty ? [Settings(address: nil)] : settings
        var next = sources
        var order: [Int] = []
        for source in wanted {
            let known = next.indices.first { next[$0].settings.address == source.address && !order.contains($0) }
            if let known {
                next[known].settings = source
                order.append(known)
            } else if let free = next.indices.first(where: { next[$0].isFree && !order.contains($0) }) {
                next[free] = Source(settings: source)
                order.append(free)
            } else {
                next.append(Source(settings: source))
                order.append(next.count - 1)
            }
        }
        guard next.count <= SourcePool.maximumSources else { return false }
        for index in next.indices { next[index].isRetired = !order.contains(index) }
        sources = next
        self.order = order
        self.ports = max(1, ports)
        cursor = 0
        return true
    }

    /// Whether sessions are spread by ``Settings/share``, so that ``choose(server:hash:)`` wants a hash.
    package var hasShares: Bool { sources.contains { !$0.isRetired && $0.settings.share != nil } }
    /// Whether another source could have a port where one has none.
    package var hasSeveral: Bool { order.count > 1 }
    /// What the file says, in its order, with each source's busiest server's sessions.
    package var listing: [(settings: Settings, used: Int)] {
        order.map { (sources[$0].settings, sources[$0].used.max() ?? 0) }
    }

    /// The address of a source; `nil`: the kernel chooses.
    package func address(_ index: Int) -> IPAddress? { sources[index].settings.address }

    /// Chooses the source of a session and counts the session there; one whose ports to this server are all in use is
    /// passed over while another is left.
    ///
    /// - Parameters:
    ///   - family: The server's; sources of another family cannot reach it.
    ///   - hash: ``Murmur2`` of the client, for shares.
    ///   - tried: Sources without a port by the kernel's word, as bits.
    /// - Returns: `nil` when every source was tried.
    package mutating func choose(server: Int, family: AddressFamily, hash: UInt32, tried: UInt64 = 0) -> Int? {
        let own = hasShares ? place(of: hash) : cursor
        if !hasShares { cursor = cursor + 1 < order.count ? cursor + 1 : 0 }
        var full: Int?
        for offset in order.indices {
            let shifted = own + offset
            let index = order[shifted < order.count ? shifted : shifted - order.count]
            guard tried & (1 << UInt64(index)) == 0 else { continue }
            if let address = sources[index].settings.address, address.family != family { continue }
            if used(index, server) < ports {
                started(index, server)
                return index
            }
            full = full ?? index
        }
        // All are full by our count; the kernel knows better.
        if let full { started(full, server) }
        return full
    }

    /// Counts a session that was counted by a former process; `false`: there is no such source any more.
    package mutating func inherit(_ index: Int, server: Int) -> Bool {
        guard sources.indices.contains(index), !sources[index].isRetired else { return false }
        started(index, server)
        return true
    }

    /// A session that was counted on a source is over, or goes elsewhere.
    package mutating func ended(_ index: Int, server: Int) {
        precondition(used(index, server) > 0, "a session ends once")
        let calm = ports * SourcePool.calmPercent
        let wasBusy = sources[index].used[server] * 100 >= calm
        sources[index].used[server] -= 1
        if wasBusy, sources[index].used[server] * 100 < calm { sources[index].warned.remove(server) }
    }

    /// The kernel had no port left.
    package mutating func exhausted(_ index: Int, server: Int) {
        exhaustions += 1
        warn(index, server)
    }

    /// What to warn about since the last call; a source once for a server, until its own sessions have grown few again.
    package mutating func fetchShortages() -> [Shortage] {
        defer { shortages = [] }
        return shortages
    }

    /// Whether ``fetchShortages()`` has something to tell.
    package var hasShortages: Bool { !shortages.isEmpty }

    private func used(_ index: Int, _ server: Int) -> Int {
        server < sources[index].used.count ? sources[index].used[server] : 0
    }

    private mutating func started(_ index: Int, _ server: Int) {
        while sources[index].used.count <= server { sources[index].used.append(0) }
        sources[index].used[server] += 1
        if sources[index].used[server] * 100 >= ports * SourcePool.warningPercent { warn(index, server) }
    }

    private mutating func warn(_ index: Int, _ server: Int) {
        guard sources[index].warned.insert(server).inserted, shortages.count < SourcePool.maximumShortages else {
            return
        }
        shortages.append(
            Shortage(
                address: sources[index].settings.address, server: server, used: used(index, server), ports: ports))
    }

    /// The place in ``order`` whose part of 2^32 holds the hash, as NGINX's split_clients cuts it: parts add up in the
    /// file's order, the one without a part has the rest.
    private func place(of hash: UInt32) -> Int {
        var sum: UInt64 = 0
        for (place, index) in order.enumerated() {
            guard let share = sources[index].settings.share else { continue }
            sum += UInt64(share)
            if UInt64(hash) < sum * 0xFFFF_FFFF / 10_000 { return place }
        }
        return order.firstIndex { sources[$0].settings.share == nil } ?? order.count - 1
    }
}
