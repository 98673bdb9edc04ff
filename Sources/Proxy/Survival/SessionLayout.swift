// Which versions of the program can read each other's sessions.

/// The layout of everything a balancer leaves to its successor.
package enum SessionLayout {
    /// The same number: sessions can be handed over.
    package static var version: UInt64 { SurvivalState.layout }
}
