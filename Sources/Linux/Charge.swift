// Who is in charge of what several processes can reach.

import CLinux

/// Tells whether this process is still the one that a row of holders and successors has put in charge.
///
/// Two processes that seal with the same keys give their secrets away: whoever seals asks first.
@safe
package struct Charge: @unchecked Sendable {
    // Sound: the words lie in a mapping that is never unmapped; they are only read.
    private let words: UnsafePointer<cl_holder_words>?
    private let generation: UInt64

    /// Nobody else can come: a process without holder.
    package init() {
        unsafe words = nil
        generation = 0
    }

    /// In charge as long as the shared words name this generation.
    @unsafe
    init(_ words: UnsafePointer<cl_holder_words>, generation: UInt64) {
        unsafe self.words = words
        self.generation = generation
    }

    /// Whether it is this process.
    @inline(__always)
    package var isHeld: Bool {
        guard let words = unsafe words else { return true }
        return unsafe words.pointee.owner == generation
    }
}
