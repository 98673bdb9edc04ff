// The scripts of a configuration as they stand on the disk.

package import Configuration
import Linux

/// Looks whether the scripts a configuration names may be run as root.
package enum ScriptCheck {
    /// A sentence for each script that may not be run; empty when all may.
    package static func refusals(_ configuration: Configuration) -> [String] {
        configuration.scripts.compactMap { script in
            let refusal = TrustedProgram.refusal(script.command) ?? script.user.flatMap(refusal(ofUser:))
            return refusal.map { "script \(script.name): \($0)" }
        }
    }

    /// Why nothing can be run as this user: a sentence, or `nil`.
    static func refusal(ofUser name: String) -> String? {
        do throws(Errno) {
            return try User.named(name) == nil ? "there is no user \(name) on this host" : nil
        } catch {
            return "the user \(name) cannot be looked up: \(error)"
        }
    }
}
