// The scripts of a configuration as they stand on the disk.

package import Configuration
import Linux

/// Looks whether the scripts a configuration names may be run as root.
package enum ScriptCheck {
    /// A sentence for each script that may not be run; empty when all may.
    package static func refusals(_ configuration: Configuration) -> [String] {
        configuration.scripts.compactMap { script in
            TrustedProgram.refusal(script.command).map { "script \(script.name): \($0)" }
        }
    }
}
