// The counters of a process by name, for everything that shows them.

import Synchronization
package import Wire

/// The numbers a process keeps about itself.
///
/// A name is made of lower-case words with its unit last (`connect_refused_total`, `queue_bytes`); labels tell apart what
/// is counted under one name. Every form of output is a walk over ``samples``.
package final class Metrics: Sendable {
    /// What a number is.
    package enum Kind: Sendable, Hashable { case counter, gauge }

    /// One number and how it is called.
    package struct Sample: Sendable, Hashable {
        package var name: String
        /// In the order they were given.
        package var labels: [Label]
        package var kind: Kind
        /// One sentence.
        package var help: String
        package var value: Int64
    }

    /// Tells apart samples of one name: `server="emqx1"`.
    package struct Label: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    private struct Entry {
        var name: String
        var labels: [Label]
        var help: String
        var source: Source
    }

    private enum Source {
        case counter(Counter)
        case gauge(Gauge)
    }

    private let entries = Mutex<[Entry]>([])

    package init() {}

    /// The counter of that name and those labels; the same one on every call.
    package func counter(_ name: String, _ help: String, _ labels: [Label] = []) -> Counter {
        entries.withLock { entries in
            for entry in entries where entry.name == name && entry.labels == labels {
                if case .counter(let counter) = entry.source { return counter }
            }
            let counter = Counter()
            entries.append(Entry(name: name, labels: labels, help: help, source: .counter(counter)))
            return counter
        }
    }

    /// The gauge of that name and those labels; the same one on every call.
    package func gauge(_ name: String, _ help: String, _ labels: [Label] = []) -> Gauge {
        entries.withLock { entries in
            for entry in entries where entry.name == name && entry.labels == labels {
                if case .gauge(let gauge) = entry.source { return gauge }
            }
            let gauge = Gauge()
            entries.append(Entry(name: name, labels: labels, help: help, source: .gauge(gauge)))
            return gauge
        }
    }

    /// All numbers as they are now, in the order they were first asked for.
    package var samples: [Sample] {
        entries.withLock { entries in
            entries.map { entry in
                switch entry.source {
                case .counter(let counter):
                    Sample(
                        name: entry.name, labels: entry.labels, kind: .counter, help: entry.help,
                        value: Int64(clamping: counter.value))
                case .gauge(let gauge):
                    Sample(
                        name: entry.name, labels: entry.labels, kind: .gauge, help: entry.help, value: gauge.value)
                }
            }
        }
    }

    /// `{"connects_total": 5, "server_sessions{server=\"emqx1\"}": 2}`.
    package var json: JSON {
        .object(
            samples.map { sample in
                let labels = sample.labels.map { "\($0.name)=\(JSON.string($0.value).text)" }.joined(separator: ",")
                return JSON.Member(labels.isEmpty ? sample.name : "\(sample.name){\(labels)}", JSON(sample.value))
            })
    }
}
