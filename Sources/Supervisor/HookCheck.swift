// The hooks of a configuration as they stand on the disk.

package import Configuration
import Linux

/// Looks whether the hooks a configuration names may be run as root.
package enum HookCheck {
    /// A sentence for each program that may not be run; empty when all may.
    package static func refusals(_ configuration: Configuration) -> [String] {
        var refusals: [String] = []
        for router in configuration.routers {
            for hook in router.hooks {
                guard let reason = TrustedProgram.refusal(hook.path) ?? ScriptCheck.refusal(ofUser: hook.user)
                else { continue }
                let line = "vrrp \(router.name): hook \(hook.event.rawValue): \(reason)"
                if !refusals.contains(line) { refusals.append(line) }
            }
        }
        return refusals
    }
}
