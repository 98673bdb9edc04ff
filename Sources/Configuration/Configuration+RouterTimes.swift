// The times that follow from a virtual router's settings.

import Wire

extension Configuration.VirtualRouterSettings {
    /// This router's priority on a node: its own when the file gives one, else the node's.
    package func priority(on node: Configuration.Node) -> UInt8 { priorities[node.name] ?? node.priority }

    /// How long a backup of this priority waits for adverts before it takes over: Active_Down_Interval
    /// = adverts that may be missed × Advertisement_Interval + Skew_Time (RFC 9568, 6.1).
    package func downInterval(priority: UInt8) -> Duration {
        advertInterval * downTimerAdverts + skew(priority: priority)
    }

    /// How long a backup of this priority waits after the active router said that it leaves: Skew_Time
    /// = (256 − priority) × Advertisement_Interval ÷ 256 (RFC 9568, 6.1); in version 2 of one second (RFC 3768, 6.1).
    package func skew(priority: UInt8) -> Duration {
        (version == 2 ? .seconds(1) : advertInterval) * (256 - Int(priority)) / 256
    }
}
