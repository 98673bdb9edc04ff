// How many event loops a configuration means on this machine.

package import Configuration
import Glibc

/// The number of event loops.
package enum LoopCount {
    /// Most loops.
    package static let maximum = 64

    /// What the configuration says, or one for each core that is online.
    package static func effective(_ configuration: Configuration) -> Int {
        min(maximum, max(1, configuration.loops ?? cores))
    }

    /// Cores that are online.
    static var cores: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}
