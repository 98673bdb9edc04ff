// The admission of one listener, shared by the loops.

import Balancing
import Configuration
import Synchronization
import Wire

/// Shares one ``Balancing/Admission`` between the loops; the lock is taken only where something is limited.
///
/// Lives as long as its listener's name: a reload changes the settings and keeps what was counted.
final class AdmissionRuntime: Sendable {
    private let state: Mutex<Admission>
    /// Client IDs are remembered by this hash: its key is nobody's to know, so that nobody finds an ID that shares
    /// another one's allowance.
    private let hash = SipHash(UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))

    init(_ settings: Configuration.AdmissionSettings, at now: Instant) {
        state = Mutex(Admission(Self.translate(settings), at: now))
    }

    func apply(_ settings: Configuration.AdmissionSettings, at now: Instant) {
        state.withLock { $0.apply(Self.translate(settings), at: now) }
    }

    /// A connection arrived from an address. When it is admitted and its source's connections are counted, `source` is
    /// the length of the source's prefix, to be given back to ``left(_:prefix:)``; else 0.
    func arrived(_ address: IPAddress, at now: Int64) -> (verdict: Admission.Verdict, source: UInt8) {
        state.withLock { admission in
            let source = admission.source(of: address)
            let verdict = admission.arrived(from: source, at: Instant(nanoseconds: now))
            let isCounted = verdict == .admitted && admission.settings.sourceConnections != nil
            return (verdict, isCounted ? UInt8(source.length) : 0)
        }
    }

    /// A connection that a former process counted lives on.
    func inherit(_ address: IPAddress, prefix: UInt8) {
        let source = IPPrefix(address.network(Int(prefix)), length: Int(prefix))
        state.withLock { $0.inherit(source) }
    }

    /// A counted connection is over.
    func left(_ address: IPAddress, prefix: UInt8) {
        let source = IPPrefix(address.network(Int(prefix)), length: Int(prefix))
        state.withLock { $0.left(source) }
    }

    /// A client sent its CONNECT.
    func connecting(_ clientID: [UInt8], at now: Int64) -> Admission.Verdict {
        let client = hash.hash(clientID.span)
        return state.withLock { $0.connecting(client: client, at: Instant(nanoseconds: now)) }
    }

    /// What is remembered, as `status` shows it.
    var json: JSON {
        state.withLock { admission in
            let tracked = admission.tracked
            return [
                "sources": JSON(tracked.sources), "clients": JSON(tracked.clients),
                "evicted": JSON(admission.evicted), "size": JSON(admission.settings.tracked),
            ]
        }
    }

    private static func translate(_ settings: Configuration.AdmissionSettings) -> Admission.Settings {
        func rate(_ rate: Configuration.Rate?) -> Admission.Rate? {
            rate.map { Admission.Rate(perSecond: $0.perSecond, burst: $0.burst) }
        }
        var translated = Admission.Settings()
        translated.sourceConnections = settings.sourceConnections
        translated.sourcePrefix = settings.sourcePrefix
        translated.connectRate = rate(settings.connectRate)
        translated.sourceRate = rate(settings.sourceRate)
        translated.clientRate = rate(settings.clientRate)
        translated.flapping = settings.flapping.map {
            Admission.Flapping(reconnects: $0.reconnects, window: $0.window, delay: $0.delay)
        }
        translated.tracked = settings.tracked
        return translated
    }
}
