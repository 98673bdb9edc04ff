// Events for scripts that were written for keepalived.

package import Wire

/// Events as keepalived writes them into its `notify_fifo`: `INSTANCE "VI_1" MASTER 100`, `GROUP "VG_1" FAULT 0`.
package struct KeepalivedLines: Sendable {
    /// The state last written, by kind and name.
    private var last: [String: String] = [:]

    /// Nothing was written yet.
    package init() {}

    /// The line of an event; `nil` when keepalived would write none.
    package mutating func line(of event: JSON) -> String? {
        let kind: String
        switch event["event"]?.string {
        case "router": kind = "INSTANCE"
        case "group": kind = "GROUP"
        default: return nil
        }
        guard let name = event["name"]?.string, let state = Self.state(event) else { return nil }
        let key = "\(kind) \"\(name)\""
        guard last[key] != state else { return nil }
        last[key] = state
        return "\(key) \(state) \(event["priority"]?.integer ?? 0)"
    }

    private static func state(_ event: JSON) -> String? {
        switch event["role"]?.string {
        case "active": "MASTER"
        case "backup": "BACKUP"
        case "initialize": event["why"]?.string == "stopped" ? "STOP" : "FAULT"
        // Claiming is the moment between the two; keepalived knows no such state.
        default: nil
        }
    }
}
