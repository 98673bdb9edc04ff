// What is known of one tracked item.

import Wire

extension Tracking {
    /// The state of one item: what was last seen, what is believed, and a change that has to last first.
    struct ItemState: Sendable {
        let item: Item
        /// What is believed; `nil` while nothing was observed.
        private var believed: Bool?
        /// A change that must last until the deadline.
        private var pending: (well: Bool, deadline: Instant)?
        /// Runs in a row that contradict what is believed.
        private var run = 0
        /// The number in a file; 0 for everything else.
        private var number = 0
        /// What was last seen, in words.
        private(set) var detail = "not observed yet"

        /// Until when an item that was added to a running router may go unobserved.
        private var awaitedUntil: Instant?

        init(_ item: Item) { self.item = item }

        var isWell: Bool { believed ?? (awaitedUntil != nil) }
        var isObserved: Bool { believed != nil }
        var deadline: Instant? { pending?.deadline ?? (believed == nil ? awaitedUntil : nil) }

        mutating func wait(until deadline: Instant) { awaitedUntil = deadline }

        /// What the item adds to the priority.
        var weight: Int {
            guard case .weight(let weight) = item.effect else { return 0 }
            if case .file = item.subject, believed != nil, isReadable {
                let (product, overflow) = number.multipliedReportingOverflow(by: weight)
                return overflow ? -254 : min(max(product, -254), 254)
            }
            return weight > 0 ? (isWell ? weight : 0) : (isWell ? 0 : weight)
        }

        /// Whether it makes the host worth less than it could be. A number in a file may also raise the priority.
        var isWeak: Bool {
            if case .file = item.subject, believed != nil, isReadable { weight < 0 } else { !isWell }
        }

        /// Whether the file could be read; a number other than zero is not well, and still a number.
        private var isReadable = true

        /// The item and what is wrong with it.
        var sentence: String { "\(item.subject): \(detail)" }

        /// Keeps what was known under other settings of the same thing.
        mutating func inherit(_ old: ItemState, at now: Instant) {
            number = old.number
            isReadable = old.isReadable
            usable = old.usable
            detail = old.detail
            believed = old.believed
            awaitedUntil = old.awaitedUntil
            // Counts and delays begin anew under the new settings; what they were about will be seen again.
            if let pending = old.pending { see(pending.well, old.detail, at: now) }
            if case .servers(_, let minimum) = item.subject, let usable = old.usable {
                see(servers: usable, minimum: minimum, at: now)
            }
        }

        /// The servers last seen, so that another minimum is judged at once.
        private var usable: Int??

        mutating func observe(_ observation: Observation, at now: Instant) {
            switch (item.subject, observation) {
            case (.balancer, .balancer(let serves, let reason)): see(serves, reason, at: now)
            case (.interface(let name), .interface(let other, let up)) where name == other:
                see(up, up ? "up" : "down", at: now)
            case (.servers(let backend, let minimum), .servers(let other, let count)) where backend == other:
                usable = .some(count)
                see(servers: count, minimum: minimum, at: now)
            case (.anyServer, .anyServer(let count)):
                let words = count.map { "\($0) usable" } ?? "the number of usable servers is not known"
                see((count ?? 0) > 0, words, at: now)
            case (.source(let address), .source(let other, let present)) where address == other:
                see(present, present ? "present" : "not on this host", at: now)
            case (.file(let path), .file(let other, let value)) where path == other:
                isReadable = value != nil
                number = value ?? 0
                see(value == 0, value.map { "says \($0)" } ?? "unreadable or not a number", at: now)
            case (.script(let name), .script(let other, let result)) where name == other: ran(result, at: now)
            case (.witness(let address), .witness(let other, let answers)) where address == other:
                see(answers, answers ? "answers" : "does not answer", at: now)
            default: break
            }
        }

        private mutating func see(servers count: Int?, minimum: Int, at now: Instant) {
            guard let count else { return see(false, "the number of usable servers is not known", at: now) }
            see(count >= minimum, "\(count) usable of at least \(minimum)", at: now)
        }

        /// What cannot run, or does not end, has failed.
        private mutating func ran(_ result: ScriptResult, at now: Instant) {
            detail = result.description
            let well = result == .succeeded
            guard well != isWell else {
                run = 0
                believed = isWell
                return
            }
            run += 1
            guard run >= (well ? item.rise : item.fall) else { return }
            run = 0
            see(well, detail, at: now)
        }

        /// Believes a change, at once or after its delay. What was never seen is believed at once: there is nothing to
        /// be patient about.
        private mutating func see(_ well: Bool, _ words: String, at now: Instant) {
            detail = words
            settle(at: now)
            guard let believed, believed != well else {
                believed = well
                pending = nil
                return
            }
            let delay = well ? item.upDelay : item.downDelay
            if delay == .zero {
                self.believed = well
                pending = nil
            } else if pending == nil {
                pending = (well, now + delay)
            }
        }

        /// Ends a delay that is over.
        mutating func settle(at now: Instant) {
            if let awaitedUntil, believed != nil || now >= awaitedUntil { self.awaitedUntil = nil }
            guard let change = pending, now >= change.deadline else { return }
            believed = change.well
            pending = nil
        }
    }
}

extension Tracking.Subject: CustomStringConvertible {
    /// The item as it stands in a sentence.
    package var description: String {
        switch self {
        case .balancer: "balancer"
        case .interface(let name): "interface \(name)"
        case .servers(let backend, _): "backend \(backend)"
        case .anyServer: "servers of all backends"
        case .source(let address): "address \(address)"
        case .file(let path): "file \(path)"
        case .script(let name): "script \(name)"
        case .witness(let address): "witness \(address)"
        }
    }

    /// Whether both are about the same thing, whatever is asked of it.
    func isSameThing(as other: Self) -> Bool {
        if case .servers(let backend, _) = self, case .servers(let same, _) = other { return backend == same }
        return self == other
    }
}

extension Tracking.Effect: CustomStringConvertible {
    /// The effect as it stands in the configuration.
    package var description: String {
        switch self {
        case .fault: "fault"
        case .weight(let weight): "weight \(weight)"
        }
    }
}

extension Tracking.ScriptResult: CustomStringConvertible {
    /// The result as it stands in a sentence.
    package var description: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed(let status): "failed with exit status \(status)"
        case .killed(let signal): "was ended by signal \(signal)"
        case .timedOut: "did not end in time"
        case .couldNotRun(let errno): "could not run (errno \(errno))"
        }
    }
}
