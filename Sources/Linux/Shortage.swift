// What the kernel refuses now and may grant in a moment.

import Wire

/// How long a shortage is waited for by a process that has sessions to serve and nobody else to serve them.
package enum Shortage {
    /// How often the kernel is asked.
    package static let tries = 6
    /// The pause after the first refusal; doubled for each after it: 1.55 s in all.
    package static let pause: Duration = .milliseconds(50)

    /// Asks again while the kernel refuses for want of something of ours (``Errno/isOwnShortage``). The thread stands still meanwhile.
    ///
    /// - Throws: the last refusal, or the first that is none for want of something.
    package static func outlast<Value>(
        pausing rest: (Duration) -> Void = ProcessSelf.pause, _ work: () throws(Errno) -> Value
    ) throws(Errno) -> Value {
        for number in 1..<tries {
            do throws(Errno) { return try work() } catch {
                guard error.isOwnShortage else { throw error }
            }
            rest(pause * (1 << (number - 1)))
        }
        return try work()
    }
}
