// Bytes in and out of a non-blocking stream socket, without an error's allocation on the way.

import CLinux
import Glibc

/// What a receive or send on a non-blocking socket came to.
package enum Transfer: Sendable {
    /// This many bytes moved, at least one.
    case moved(Int)
    /// Nothing can move now.
    case wouldBlock
    /// The source will send no more.
    case ended
    /// The connection failed with this errno.
    case failed(Int32)
}

extension Socket {
    /// Receives into the whole of an array's memory.
    package static func receive(_ number: Int32, into bytes: inout [UInt8]) -> Transfer {
        while true {
            // Sound: the array's memory is lent with its count for the duration of the call.
            let result = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(number, buffer.baseAddress, buffer.count, 0)
            }
            if result > 0 { return .moved(result) }
            if result == 0 { return .ended }
            let code = cl_errno()
            if code == EAGAIN { return .wouldBlock }
            if code != EINTR { return .failed(code) }
        }
    }

    /// Sends what fits of these bytes; none of them raises SIGPIPE.
    package static func send(_ number: Int32, _ bytes: Span<UInt8>) -> Transfer {
        while true {
            // Sound: the span's memory is lent to the call. MSG_NOSIGNAL: a peer that is gone must not end us.
            let result = unsafe bytes.withUnsafeBufferPointer { buffer in
                unsafe Glibc.send(number, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
            if result >= 0 { return .moved(result) }
            let code = cl_errno()
            if code == EAGAIN { return .wouldBlock }
            if code != EINTR { return .failed(code) }
        }
    }
}
