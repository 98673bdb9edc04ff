// What a generator found, for programs and for people.

package import Wire

/// The outcome of one scenario.
package struct LoadReport: Sendable {
    let settings: LoadSettings
    var tally = LoadTally()
    /// Sessions that were up when measuring began.
    package internal(set) var up = 0
    /// How long was measured, in nanoseconds.
    var measured: Int64 = 0
    /// How long it took until all sessions were up, in nanoseconds.
    var opened: Int64 = 0
    /// Processor time while measuring, in nanoseconds: the generator's own, and that of the watched processes.
    var ownTime: Int64 = 0
    var watchedTime: Int64 = 0
    /// `hold`: memory of the watched processes with a tenth of the sessions and with all, in bytes; the kernel's objects
    /// likewise; and how many sessions are between the two.
    var memory: (few: Int64, all: Int64) = (0, 0)
    var kernel: (few: Int64, all: Int64) = (0, 0)
    var memorySessions = 0
    /// Not everything came about: not all sessions came up, or some were lost.
    package var isComplete: Bool { up == settings.connections || settings.scenario == .connect }

    package var count: UInt64 { tally.count }
    package var lost: Int { tally.lost }
    package var resumed: Int { tally.resumed }
    package var notResumed: Int { tally.notResumed }
    package var failures: [String: Int] { tally.failures }

    init(_ settings: LoadSettings) { self.settings = settings }

    private var seconds: Double { Double(max(1, measured)) / 1e9 }
    private var rate: Double { Double(tally.count) / seconds }

    /// What a unit of work costs, in microseconds of processor time; `nil` without work.
    private func each(_ time: Int64) -> Double? {
        tally.count == 0 ? nil : Double(time) / 1e3 / Double(tally.count)
    }

    private func gigabyte(_ time: Int64) -> Double? {
        tally.bytes == 0 ? nil : Double(time) / Double(tally.bytes)
    }

    /// Rounded to three decimals.
    private static func json(_ value: Double?) -> JSON { value.map { .number(($0 * 1000).rounded() / 1000) } ?? .null }

    /// One object: what was asked, what came of it, what it cost. Durations of latencies are in microseconds.
    package var json: JSON {
        let unit: String
        switch settings.scenario {
        case .connect, .storm: unit = "connections"
        case .hold: unit = "sessions"
        case .ping: unit = "answers"
        case .publish: unit = "messages"
        }
        var members: [JSON.Member] = [
            .init("scenario", .string(settings.scenario.rawValue)), .init("url", .string(settings.url.text)),
            .init("connections", JSON(settings.connections)), .init("active", JSON(settings.activeCount)),
            .init("loops", JSON(settings.loops)), .init("payload", JSON(settings.payload)),
            .init("question", .string(settings.question.rawValue)),
            .init("up", JSON(up)), .init("lost", JSON(tally.lost)), .init("resumed", JSON(tally.resumed)),
            .init("not_resumed", JSON(tally.notResumed)),
            .init("opened_seconds", Self.json(Double(opened) / 1e9)), .init("seconds", Self.json(seconds)),
            .init("unit", .string(unit)), .init("count", JSON(tally.count)), .init("rate", Self.json(rate)),
            .init("bytes", JSON(tally.bytes)),
            .init("latency_us", tally.durations.json), .init("opening_us", tally.openings.json),
            .init("own_cpu_us_each", Self.json(each(ownTime))), .init("own_cpu_seconds", Self.json(Double(ownTime) / 1e9)),
        ]
        if !settings.watched.isEmpty {
            members += [
                .init("watched_cpu_us_each", Self.json(each(watchedTime))),
                .init("watched_cpu_s_per_gb", Self.json(gigabyte(watchedTime))),
                .init("watched_cpu_seconds", Self.json(Double(watchedTime) / 1e9)),
            ]
        }
        if memorySessions > 0 {
            members += [
                .init("memory_each", JSON((memory.all - memory.few) / Int64(memorySessions))),
                .init("kernel_each", JSON((kernel.all - kernel.few) / Int64(memorySessions))),
                .init("memory_total", JSON(memory.all)),
            ]
        }
        let failures = tally.failures.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }
        members.append(.init("failures", .object(failures)))
        return .object(members)
    }

    /// A few lines for people.
    package var text: String {
        func milliseconds(_ nanoseconds: Int64) -> String { Duration.nanoseconds(nanoseconds / 1000 * 1000).text }
        var lines = ["\(settings.scenario.rawValue) \(settings.url.text): \(up) of \(settings.connections) sessions up"]
        if settings.scenario == .connect { lines = ["connect \(settings.url.text)"] }
        if opened > 0 { lines[0] += " after \(milliseconds(opened))" }
        let rounded = Int(rate.rounded())
        switch settings.scenario {
        case .connect: lines.append("\(rounded) connections a second, \(tally.count) in \(milliseconds(measured))")
        case .hold: lines.append("held for \(milliseconds(measured))")
        case .ping: lines.append("\(rounded) answers a second, \(tally.count) in \(milliseconds(measured))")
        case .publish:
            let megabytes = Int(Double(tally.bytes) / 1e6 / seconds)
            lines.append("\(rounded) messages a second, \(megabytes) MB/s")
        case .storm: lines.append("\(tally.count) sessions came back within \(milliseconds(measured))")
        }
        let shown = tally.durations.count > 0 ? tally.durations : tally.openings
        if shown.count > 0 {
            let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)].map { name, share in
                "\(name) \(milliseconds(shown.quantile(share)))"
            }
            lines.append(
                (tally.durations.count > 0 ? "latency: " : "until CONNACK: ") + quantiles.joined(separator: ", ")
                    + ", longest \(milliseconds(shown.maximum))")
        }
        if memorySessions > 0, !settings.watched.isEmpty {
            let bytes = (memory.all - memory.few) / Int64(memorySessions)
            lines.append("memory: \(bytes) bytes for each session in the watched processes")
        }
        if tally.lost > 0 { lines.append("lost: \(tally.lost) sessions") }
        for (reason, count) in tally.failures.sorted(by: { $0.value > $1.value }) {
            lines.append("failed: \(count) × \(reason)")
        }
        return lines.joined(separator: "\n  ")
    }
}
