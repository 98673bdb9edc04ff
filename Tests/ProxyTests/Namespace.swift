// A network namespace of a test's own: its addresses and ports are nobody else's.

import Glibc
import Linux
import Testing

enum Namespace {
    /// Runs a test on a thread of its own in a new network namespace with a loopback interface; threads it starts are in
    /// it too.
    ///
    /// - Parameter commands: run in it first, by the shell.
    static func run(_ commands: String = "true", _ body: @escaping @Sendable () throws -> Void) throws {
        try Worker {
            _ = try NetworkNamespace.enterNew()
            // Sound: the text lives for the duration of the call, which waits for its child.
            let status = unsafe system("ip link set lo up && \(commands)")
            try #require(status == 0, "\(commands): \(status)")
            try body()
        }.join()
    }
}
