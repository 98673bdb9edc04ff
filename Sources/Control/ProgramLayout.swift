// What one version of the program says of itself to another.

package import Wire

/// The versions of everything one program leaves to the next: printed by `understudy layout`, compared before an upgrade
/// stops anything.
package struct ProgramLayout: Hashable, Sendable {
    /// Raised with every change of ``SupervisorMessage``, ``ChildMessage``, ``BalancerBeat`` or ``VipNotice``: during an
    /// upgrade, processes of two versions speak with one another.
    package static let controlVersion = 4

    /// The program's version, for people.
    package var version: String
    /// The memory of sessions.
    package var sessions: UInt64
    /// The messages between processes.
    package var control: Int
    /// The supervisor's own state.
    package var supervisor: Int
    /// Why it does not take the configuration; empty: it does.
    package var complaint: String

    package init(
        version: String, sessions: UInt64, supervisor: Int, control: Int = controlVersion, complaint: String = ""
    ) {
        self.version = version
        self.sessions = sessions
        self.supervisor = supervisor
        self.control = control
        self.complaint = complaint
    }

    package var json: JSON {
        [
            "version": .string(version), "sessions": .string(String(sessions, radix: 16)), "control": JSON(control),
            "supervisor": JSON(supervisor), "complaint": .string(complaint),
        ]
    }

    /// Reads what another program printed; `nil` when it is not that.
    package init?(_ json: JSON) {
        guard let version = json["version"]?.string,
            let sessions = json["sessions"]?.string.flatMap({ UInt64($0, radix: 16) }),
            let control = json["control"]?.integer, let supervisor = json["supervisor"]?.integer,
            let complaint = json["complaint"]?.string
        else { return nil }
        self.init(
            version: version, sessions: sessions, supervisor: Int(supervisor), control: Int(control),
            complaint: complaint)
    }

    /// Why `next` cannot take over what this program leaves; `nil`: it can.
    package func obstacle(to next: ProgramLayout) -> String? {
        var parts: [String] = []
        if next.sessions != sessions { parts.append("the memory of sessions") }
        if next.control != control { parts.append("the messages between processes") }
        if next.supervisor != supervisor { parts.append("the supervisor's state") }
        guard !parts.isEmpty else { return nil }
        return "version \(next.version) has another layout of \(parts.joined(separator: ", ")) than \(version)"
    }
}
