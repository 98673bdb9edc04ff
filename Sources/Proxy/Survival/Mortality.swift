// A build for measuring: the same relay, without what it does for its successors (docs/survival.md, What it costs).

/// Whether this build leaves survival out: no holder, and on the way of a message none of the stores that only a successor reads. Such a
/// build is for `Tests/Bench/survival.py` alone: `UNDERSTUDY_MORTAL=1 swift build`.
enum Mortality {
    /// A constant, so that neither build tests it.
    @inline(__always) static var isMortal: Bool {
        #if MORTAL
            true
        #else
            false
        #endif
    }
}
