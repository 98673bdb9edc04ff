// The kernel's refusal: an errno with the name of the call it answered.

import CLinux
import Glibc

/// What the kernel said no to, and how.
package struct Errno: Error, Hashable, Sendable, CustomStringConvertible {
    /// The value of `errno`.
    package var code: Int32
    /// The system call, and what it was asked for where that helps.
    package var call: String

    package init(_ code: Int32, _ call: String) {
        self.code = code
        self.call = call
    }

    /// The error of the call that just failed on this thread.
    package static func last(_ call: @autoclosure () -> String) -> Errno {
        let code = cl_errno()
        return Errno(code, call())
    }

    /// `bind 10.0.0.10:1883: Address already in use (EADDRINUSE)`.
    package var description: String { "\(call): \(Self.text(code))" }

    /// What the C library says about an errno.
    package static func text(_ code: Int32) -> String {
        // Sound: strerror returns a valid C string; it is copied at once.
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "errno \(code)"
    }

    /// The other end of a connection is gone with something unread (`ECONNRESET`).
    package static let connectionReset = ECONNRESET

    /// There is no such thing (`ENOENT`).
    package static let noEntry = ENOENT
    /// There is one already (`EEXIST`).
    package static let exists = EEXIST
    /// Nobody listens (`ECONNREFUSED`).
    package static let connectionRefused = ECONNREFUSED
    /// Not allowed (`EACCES`).
    package static let accessDenied = EACCES
    /// What was given makes no sense (`EINVAL`).
    package static let invalidArgument = EINVAL
    /// A path or name is longer than it may be (`ENAMETOOLONG`).
    package static let nameTooLong = ENAMETOOLONG
    /// Somebody else has the address (`EADDRINUSE`).
    package static let addressInUse = EADDRINUSE
    /// The kernel does not know what was asked, or not for this (`EINVAL`).
    package static let invalid = EINVAL

    package var isWouldBlock: Bool { code == EAGAIN || code == EWOULDBLOCK }
}

/// Repeats a call while a signal interrupts it (`EINTR`), and throws its errno when it fails.
@discardableResult
package func check<Result: SignedInteger>(_ call: @autoclosure () -> String, _ body: () -> Result) throws(Errno)
    -> Result
{
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = cl_errno()
        if code != EINTR { throw Errno(code, call()) }
    }
}
