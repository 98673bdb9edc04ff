// The number of the last claim, kept where it survives this process.

import Glibc
import Linux
import Wire

/// Keeps the epoch of one router in a file under `/run`, so that it never goes back on this host.
struct EpochFile: Sendable {
    let path: String

    /// - Parameter router: the router's name, made of letters, digits, `.`, `_`, `-` and `/`.
    init(directory: String, router: String) {
        path = directory + "/epoch-" + router.replacing("/", with: ".")
    }

    /// The number stored; 0 when there is none.
    ///
    /// - Throws: `Errno`; `EBADMSG` when the file holds something else.
    func load() throws(Errno) -> UInt64 {
        do throws(Errno) {
            let text = String(decoding: try File.read(path, limit: 32), as: UTF8.self)
            guard let epoch = UInt64(text.prefix { $0 != "\n" }) else { throw Errno(EBADMSG, "read \(path)") }
            return epoch
        } catch {
            if error.code == ENOENT { return 0 }
            throw error
        }
    }

    /// Stores a number, as a whole or not at all.
    ///
    /// - Returns: what the kernel refused; `nil`: it is stored.
    func store(_ epoch: UInt64) -> Errno? {
        do throws(Errno) {
            let new = path + ".new"
            try FileTree.write(new, Array("\(epoch)\n".utf8))
            try File.rename(new, to: path)
            return nil
        } catch {
            return error
        }
    }

    /// The number of a new claim: greater than the last, and by the clock also than those of the other host.
    static func next(after last: UInt64, wallMicroseconds: Int64) -> UInt64 {
        max(last == .max ? last : last + 1, UInt64(max(wallMicroseconds, 0)) / 1000)
    }
}
