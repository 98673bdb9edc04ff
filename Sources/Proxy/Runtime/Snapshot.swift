// What the loops work by: one configuration, with the living things it names.

import Configuration
import Wire

/// One configuration as the loops see it: immutable, shared, replaced as a whole.
///
/// Numbers are places in these arrays and are never reused while the process lives, so that a session of last week
/// still finds its listener and backend after a reload.
final class Snapshot: Sendable {
    /// By listener number; removed ones stay, and accept nothing.
    let listeners: [ListenerRuntime]
    /// By backend number; removed ones stay until the process ends.
    let backends: [BackendRuntime]
    /// By table number; removed ones stay.
    let tables: [TableRuntime]

    /// What is written down about sessions; `nil`: nothing.
    let recording: SessionRecording?

    /// Over how long sessions are closed that a successor cannot keep, in nanoseconds.
    let closeSpread: Int64

    /// Most sessions of one loop.
    let sessionsPerLoop: Int

    init(
        listeners: [ListenerRuntime], backends: [BackendRuntime], tables: [TableRuntime],
        recording: SessionRecording? = nil, closeSpread: Duration = Configuration.usualCloseSpread,
        sessionsPerLoop: Int = .max
    ) {
        self.sessionsPerLoop = sessionsPerLoop
        self.closeSpread = closeSpread.nanoseconds
        self.recording = recording
        self.listeners = listeners
        self.backends = backends
        self.tables = tables
    }
}
