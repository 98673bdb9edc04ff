// Whether one more connection may come: rates and counts of a listener, of its sources and of its clients.

package import Wire

/// The admission of one listener.
///
/// Decides only; whoever asks counts the refusal and tells the client. Tables of sources and clients are bounded by
/// ``Settings/tracked``: whoever is forgotten begins with a full allowance, so that a crowd of strangers cannot lock
/// anybody out. Counts of open connections are never forgotten: there is one entry at most for each open connection.
package struct Admission: Sendable {
    /// Which limit refused.
    package enum Limit: Int, Hashable, Sendable, CaseIterable {
        case sourceConnections, sourceRate, connectRate, clientRate
    }

    /// What becomes of a connection or CONNECT.
    package enum Verdict: Hashable, Sendable {
        case admitted
        case refused(Limit)
        /// Goes on after a while: the client reconnects too often.
        case delayed(Duration)
    }

    /// How often one client ID came.
    private struct Client: Sendable {
        var bucket: TokenBucket?
        var window: ReconnectWindow
    }

    package private(set) var settings: Settings
    private var bucket: TokenBucket?
    private var open: [IPPrefix: Int] = [:]
    private var sources: RecentTable<IPPrefix, TokenBucket>
    private var clients: RecentTable<UInt64, Client>
    /// Evictions of tables that a reload replaced.
    private var formerEvictions: UInt64 = 0

    package init(_ settings: Settings, at now: Instant) {
        self.settings = settings
        bucket = Self.bucket(settings.connectRate, at: now)
        sources = RecentTable(capacity: settings.tracked)
        clients = RecentTable(capacity: settings.tracked)
    }

    /// Goes on with other settings. Rates that changed begin with a full allowance; open connections stay counted.
    package mutating func apply(_ settings: Settings, at now: Instant) {
        let former = self.settings
        self.settings = settings
        if former.connectRate != settings.connectRate { bucket = Self.bucket(settings.connectRate, at: now) }
        if former.sourceRate != settings.sourceRate || former.tracked != settings.tracked
            || former.sourcePrefix != settings.sourcePrefix
        {
            formerEvictions += sources.evicted
            sources = RecentTable(capacity: settings.tracked)
        }
        if former.clientRate != settings.clientRate || former.flapping != settings.flapping
            || former.tracked != settings.tracked
        {
            formerEvictions += clients.evicted
            clients = RecentTable(capacity: settings.tracked)
        }
    }

    private static func bucket(_ rate: Rate?, at now: Instant) -> TokenBucket? {
        rate.map { TokenBucket(rate: $0.perSecond, burst: $0.burst, at: now) }
    }

    /// The source an address belongs to under the present settings.
    package func source(of address: IPAddress) -> IPPrefix {
        let length = address.family == .ipv4 ? 32 : settings.sourcePrefix
        return IPPrefix(address.network(length), length: length)
    }

    // MARK: Connections

    /// A connection has arrived. When it is admitted it counts at its source until ``left(_:)``, if connections of a
    /// source are limited.
    ///
    /// The source is judged first, so that one that asks too much does not use up what all share.
    package mutating func arrived(from source: IPPrefix, at now: Instant) -> Verdict {
        if let most = settings.sourceConnections, open[source, default: 0] >= most {
            return .refused(.sourceConnections)
        }
        if let rate = settings.sourceRate {
            let isAdmitted = sources.with(
                source, initial: TokenBucket(rate: rate.perSecond, burst: rate.burst, at: now)
            ) { $0.take(at: now) }
            guard isAdmitted else { return .refused(.sourceRate) }
        }
        if bucket != nil, bucket?.take(at: now) == false { return .refused(.connectRate) }
        if settings.sourceConnections != nil { open[source, default: 0] += 1 }
        return .admitted
    }

    /// A connection that a former process admitted lives on: it counts at its source.
    package mutating func inherit(_ source: IPPrefix) { open[source, default: 0] += 1 }

    /// A connection that was counted at its source is over.
    package mutating func left(_ source: IPPrefix) {
        guard let count = open[source] else { preconditionFailure("a source without connections lost one") }
        open[source] = count > 1 ? count - 1 : nil
    }

    /// Connections counted at a source now.
    package func connections(of source: IPPrefix) -> Int { open[source] ?? 0 }

    // MARK: Clients

    /// A client sent its CONNECT.
    ///
    /// - Parameter client: a keyed hash of its client ID, which need not be kept that way.
    package mutating func connecting(client: UInt64, at now: Instant) -> Verdict {
        guard settings.judgesClients else { return .admitted }
        let (rate, flapping) = (settings.clientRate, settings.flapping)
        return clients.with(
            client, initial: Client(bucket: Self.bucket(rate, at: now), window: ReconnectWindow(at: now))
        ) { entry in
            let isAdmitted = entry.bucket?.take(at: now) ?? true
            let count = flapping.map { entry.window.count(within: $0.window, at: now) } ?? 0
            guard isAdmitted else { return .refused(.clientRate) }
            if let flapping, count > flapping.reconnects { return .delayed(flapping.delay) }
            return .admitted
        }
    }

    // MARK: For status

    /// Sources and client IDs remembered now.
    package var tracked: (sources: Int, clients: Int) { (sources.count, clients.count) }
    /// Sources and client IDs that were forgotten for others before their time.
    package var evicted: UInt64 { formerEvictions + sources.evicted + clients.evicted }
}
