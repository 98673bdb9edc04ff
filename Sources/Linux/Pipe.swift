// Pipes, for reading what a program writes.

import CLinux
import Glibc

/// Anonymous pipes.
package enum Pipe {
    /// A pipe: what is written to `second` is read from `first`. Reading does not block.
    package static func make() throws(Errno) -> Socket.Pair {
        var ends: (Int32, Int32) = (-1, -1)
        // Sound: the tuple has room for the two numbers the call writes.
        try check("pipe") {
            unsafe withUnsafeMutableBytes(of: &ends) { bytes -> Int32 in
                guard let numbers = unsafe bytes.assumingMemoryBound(to: Int32.self).baseAddress else { return -1 }
                return unsafe Glibc.pipe(numbers)
            }
        }
        let pair = Socket.Pair(first: FileDescriptor(owning: ends.0), second: FileDescriptor(owning: ends.1))
        for number in [ends.0, ends.1] { try Descriptor.setCloseOnExec(number, true) }
        try Descriptor.setNonBlocking(ends.0)
        return pair
    }
}
