// What an operator decides about authenticated advertisements.

import Wire

extension HMACAuthentication {
    /// How far authentication is introduced.
    package enum Mode: String, CaseIterable, Sendable {
        /// Sends no trailer; understands one.
        case receiveOnly = "receive-only"
        /// Sends a trailer; believes adverts without one.
        case permissive
        /// Sends a trailer; refuses adverts without one.
        case enforce

        /// Whether what is sent carries a trailer.
        var seals: Bool { self != .receiveOnly }
    }

    /// What a sequence number is held against.
    package enum AntiReplay: String, CaseIterable, Sendable {
        /// The wall clock, within the window, and the sender's last number.
        case time
        /// The sender's last number alone: for hosts without a clock that agrees.
        case monotonic
    }

    /// A shared secret with its number.
    package struct Key: Equatable, Sendable {
        /// The range of lengths of a secret, in octets.
        package static let lengths = 32...64

        /// The number that stands in the trailer: 0...255.
        package var id: UInt8
        /// 32...64 octets.
        package var secret: [UInt8]

        /// A key; `nil` when the secret is too short or too long.
        package init?(id: UInt8, secret: [UInt8]) {
            guard Self.lengths.contains(secret.count) else { return nil }
            self.id = id
            self.secret = secret
        }
    }

    /// The configuration of the authentication of one virtual router.
    package struct Settings: Equatable, Sendable {
        /// The keys that are accepted, each with a number of its own.
        package var keys: [Key]
        /// The number of the key that is sent; one of ``keys``.
        package var activeKey: UInt8
        /// How far authentication is introduced.
        package var mode: Mode
        /// What a sequence number is held against.
        package var antiReplay: AntiReplay
        /// How far the clocks of two hosts may differ, in whole seconds; an advert older than that is stale.
        package var window: Duration

        /// Settings with the defaults of the house; an active key that is not in the list, or two keys of one number,
        /// are the caller's mistake.
        ///
        /// - Parameters:
        ///   - interval: the router's advertisement interval.
        ///   - window: `nil` for keepalived's: three intervals, 5 s at least.
        package init(
            keys: [Key], activeKey: UInt8, mode: Mode = .enforce, antiReplay: AntiReplay = .time, interval: Duration,
            window: Duration? = nil
        ) {
            precondition(keys.contains { $0.id == activeKey }, "the active key \(activeKey) is not among the keys")
            precondition(Set(keys.map(\.id)).count == keys.count, "two keys of one number")
            self.keys = keys
            self.activeKey = activeKey
            self.mode = mode
            self.antiReplay = antiReplay
            self.window = window ?? Self.window(interval: interval)
        }

        /// max(3 × interval, 5 s), rounded up to whole seconds.
        package static func window(interval: Duration) -> Duration {
            let seconds = ((interval * 3).nanoseconds + 999_999_999) / 1_000_000_000
            return .seconds(max(5, seconds))
        }

        /// The secret of one of the keys.
        func key(_ id: UInt8) -> [UInt8] { keys.first { $0.id == id }?.secret ?? [] }
    }
}
