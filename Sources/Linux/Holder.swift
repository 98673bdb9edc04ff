// The holder: a process that shares this one's descriptors and follows it when it dies.

import CLinux
import Glibc
package import Wire

/// What a process leaves behind when it dies: its descriptors, in the table of another one, which takes its place.
///
/// The successor is the holder itself, which has every descriptor; or, where another program is to follow, that program, which finds
/// every descriptor that is not close-on-exec under its number. See `docs/survival.md`.
@safe
package struct Holder {
    /// Bounds of its patience.
    package enum Bounds {
        /// How long another program may take to take over, in milliseconds, before it is left for the known one. With what that
        /// takes itself it must stay below the time after which `vip` gives up an address that nobody serves (300 ms).
        package static let next: Int32 = 150
        /// The same for the program that is known to work, on a machine that is busy.
        package static let known: Int32 = 5_000
        /// How often that is tried.
        package static let tries: Int32 = 5
    }

    /// Octets of the shared words, at the beginning of the mapping.
    package static let wordsSize = MemoryLayout<cl_holder_words>.size
    /// Octets of the path of another program, its end included.
    package static let pathLimit = 1024

    // Sound: the plan and everything it points at are allocated once and never freed; the holder has a copy of them.
    private let plan: UnsafeMutablePointer<cl_holder_plan>
    private let words: UnsafeMutablePointer<cl_holder_words>

    /// - Parameters:
    ///   - region: a mapping that process, holder and successor share; zero at first.
    ///   - arguments: what the successor is started with, the program's name first.
    ///   - environment: its whole environment, `NAME=value`.
    ///   - patience: milliseconds the known program may take to take over.
    package init(
        region: MemoryRegion, arguments: [String], environment: [String], patience: Int32 = Bounds.known
    ) {
        unsafe words = region.bind(to: cl_holder_words.self, count: 1)
        unsafe plan = UnsafeMutablePointer<cl_holder_plan>.allocate(capacity: 1)
        unsafe plan.initialize(to: cl_holder_plan())
        unsafe plan.pointee.words = unsafe UnsafeMutablePointer(words)
        unsafe plan.pointee.program = UnsafePointer(strdup("/proc/self/exe"))
        unsafe plan.pointee.arguments = Self.vector(arguments)
        unsafe plan.pointee.environment = Self.vector(environment)
        unsafe plan.pointee.next_patience = Bounds.next
        unsafe plan.pointee.patience = patience
        unsafe plan.pointee.tries = Bounds.tries
        unsafe plan.pointee.generation = cl_next_generation(words)
    }

    @unsafe
    private static func vector(_ strings: [String]) -> UnsafePointer<UnsafeMutablePointer<CChar>?> {
        let vector = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() { unsafe (vector + index).initialize(to: strdup(string)) }
        unsafe (vector + strings.count).initialize(to: nil)
        return unsafe UnsafePointer(vector)
    }

    /// Starts a holder of this process; from the main thread only, which lives as long as the process.
    ///
    /// Returns again and again: when this process dies, in its holder, which is its successor then, with the memory of this moment
    /// and the descriptors of the one that died, when that died, and has a holder of its own.
    ///
    /// - Parameter isAlone: there is no other thread yet. Otherwise the holder's memory is of no use to anybody, and it starts the
    ///   program anew.
    /// - Returns: the holder's process number, and whether this process is a successor. It is in charge then, with the sessions of
    ///   the one that died, and may be without a holder of its own: `nil`.
    /// - Throws: `Errno` of clone in a process that follows nobody.
    package func start(isAlone: Bool) throws(Errno) -> (pid: Int32?, follows: Bool) {
        unsafe plan.pointee.continues = isAlone ? 1 : 0
        let followed = unsafe plan.pointee.followed
        do throws(Errno) {
            let pid = try check("clone") { unsafe cl_start_holder(plan) }
            return (pid, unsafe plan.pointee.followed != followed)
        } catch {
            guard unsafe plan.pointee.followed != followed else { throw error }
            return (nil, true)
        }
    }

    /// This process is in charge from here on: the holder of its predecessor ends.
    package func commit() {
        unsafe words.pointee.owner = plan.pointee.generation
    }

    /// The number of this process in the row.
    package var generation: UInt64 { unsafe plan.pointee.generation }

    /// The number of the process that is in charge, whose holder starts the next one.
    package static func generationInCharge(_ region: MemoryRegion) -> UInt64 {
        unsafe region.bind(to: cl_holder_words.self, count: 1).pointee.owner
    }

    /// Whether this process is in charge, for those who must know before each step.
    package var charge: Charge { unsafe Charge(UnsafePointer(words), generation: plan.pointee.generation) }

    /// This process ends on purpose: nothing follows it.
    package func end() { unsafe words.pointee.ended = 1 }

    /// Another program follows this one, if it takes over in time.
    ///
    /// - Returns: `false` when the path is too long.
    package func setNext(_ path: String) -> Bool {
        let octets = Array(path.utf8)
        guard !octets.isEmpty, octets.count < Self.pathLimit else { return false }
        unsafe withUnsafeMutableBytes(of: &words.pointee.next) { bytes in
            for (index, octet) in octets.enumerated().dropFirst() { unsafe bytes[index] = octet }
            unsafe bytes[octets.count] = 0
            // The first octet says that there is one.
            unsafe bytes[0] = octets[0]
        }
        return true
    }

    /// Keeps the file of this very program open for whoever follows, so that the program can come back even when its file was
    /// replaced. It comes back by itself when its follower dies before ``believe()``.
    ///
    /// - Throws: `Errno` of opening it.
    package func beginProbation() throws(Errno) {
        forgetPrevious()
        let file = try check("open /proc/self/exe") { unsafe cl_open("/proc/self/exe", Int32(CL_O_PATH), 0) }
        unsafe words.pointee.previous = file
        unsafe words.pointee.probation = 1
    }

    /// Whether this process follows one of another program and may still be left for it.
    package var isOnProbation: Bool { unsafe words.pointee.probation != 0 }

    /// The program of this process is kept: the one before it does not come back.
    package func believe() {
        unsafe words.pointee.probation = 0
        forgetPrevious()
    }

    /// The descriptor of the file of the program before this one; `nil`: there is none.
    package var previous: Int32? {
        let number = unsafe words.pointee.previous
        return number > 2 ? number : nil
    }

    /// Closes the file of the program before this one, when nobody needs it any more.
    package func forgetPrevious() {
        let number = unsafe words.pointee.previous
        unsafe words.pointee.previous = 0
        if number > 2 { Descriptor.close(number) }
    }

    /// Programs that were started and did not take over.
    package var failures: UInt32 { unsafe words.pointee.failures }

    /// Ends a holder that was started here, and reaps it: nothing follows.
    package static func dismiss(_ pid: Int32) {
        guard pid > 0 else { return }
        Glibc.kill(pid, SIGKILL)
        _ = waitpid(pid, nil, 0)
    }

    /// Whether a holder that was started here has ended; reaps it.
    package static func hasEnded(_ pid: Int32) -> Bool {
        var status: Int32 = 0
        // Sound: the status lives on the stack for the duration of the call.
        return unsafe waitpid(pid, &status, WNOHANG) != 0
    }
}
