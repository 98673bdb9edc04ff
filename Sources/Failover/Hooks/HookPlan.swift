// Which hooks a virtual router has, and what they are told about the host.

package import Configuration
import Wire

/// The hooks of one `vrrp` block on this node.
package struct HookPlan: Hashable, Sendable {
    package typealias Hook = Configuration.VirtualRouterSettings.Hook

    /// In the order in which they run.
    package var hooks: [Hook]
    /// The node's name in the configuration.
    package var node: String
    /// The directory for what must survive this process: that of the admin socket, in memory (`/run`).
    package var directory: String

    init(
        _ router: Configuration.VirtualRouterSettings, _ node: Configuration.Node, in configuration: Configuration
    ) {
        hooks = router.hooks
        self.node = node.name
        let path = configuration.admin.socketPath
        directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    /// The hooks that run on an event.
    func hooks(on event: Hook.Event) -> [Hook] { hooks.filter { $0.event == event } }
}
