// When something was done that takes a moment itself.

import Linux
package import Wire

/// The time before and after an act: it happened in between.
///
/// Durations are counted from `before`, and only what began after `after` counts as coming later, so that no figure
/// flatters.
package struct Moment: Hashable, Sendable {
    package let before: Instant
    package let after: Instant

    static func around<Failure: Error>(_ act: () throws(Failure) -> Void) throws(Failure) -> Moment {
        let before = Clock.now
        try act()
        return Moment(before: before, after: Clock.now)
    }
}
