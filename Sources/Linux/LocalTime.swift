// The wall clock as people of this host read it, for logs of old forms.

import Glibc
import Wire

/// A point in time in this host's time zone.
package struct LocalTime: Hashable, Sendable {
    /// 1970 and later.
    package let year: Int
    /// 1...12.
    package let month: Int
    /// 1...31.
    package let day: Int
    package let hour: Int
    package let minute: Int
    /// 0...60: a leap second is one.
    package let second: Int

    /// - Parameter microseconds: since 1970, as ``Clock/wallMicroseconds``.
    package init(microseconds: Int64) {
        var seconds = time_t(microseconds / 1_000_000)
        var parts = unsafe tm()
        // Sound: both structures live on the stack for the duration of the call. It fails only for years beyond Int32:
        // then the parts stay zero.
        _ = unsafe localtime_r(&seconds, &parts)
        year = unsafe Int(parts.tm_year) + 1900
        month = unsafe Int(parts.tm_mon) + 1
        day = unsafe max(1, Int(parts.tm_mday))
        hour = unsafe Int(parts.tm_hour)
        minute = unsafe Int(parts.tm_min)
        second = unsafe Int(parts.tm_sec)
    }
}

/// The name of this host.
package enum HostName {
    /// As the kernel has it, up to its first dot; `-` when there is none.
    package static var short: String {
        var buffer = [UInt8](repeating: 0, count: 256)
        // Sound: the array's own memory is lent with one byte less than it has, so that its last one stays zero.
        let result = unsafe buffer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return Int32(-1) }
            return unsafe gethostname(base, bytes.count - 1)
        }
        guard result == 0 else { return "-" }
        let name = buffer.prefix { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ".") }
        return name.isEmpty ? "-" : String(decoding: name, as: UTF8.self)
    }
}
