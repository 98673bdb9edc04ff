// Users and groups of this host, by name.

import Glibc

/// A user of this host.
package struct User: Hashable, Sendable {
    package var name: String
    package var identifier: UInt32
    /// The user's own group.
    package var group: UInt32

    package init(name: String, identifier: UInt32, group: UInt32) {
        self.name = name
        self.identifier = identifier
        self.group = group
    }

    /// - Throws: `Errno` when the host's databases cannot be read; `nil` when there is no such user.
    package static func named(_ name: String) throws(Errno) -> User? {
        var record = unsafe passwd()
        var buffer = [CChar](repeating: 0, count: 16_384)
        // Sound: all memory is lent for the duration of the call; the numbers are copied before it goes.
        let (code, user) = unsafe buffer.withUnsafeMutableBufferPointer { room in
            var found: UnsafeMutablePointer<passwd>?
            guard let base = room.baseAddress else { return (ENOMEM, User?.none) }
            let code = unsafe getpwnam_r(name, &record, base, room.count, &found)
            let user = unsafe found.map {
                unsafe User(name: name, identifier: $0.pointee.pw_uid, group: $0.pointee.pw_gid)
            }
            return (code, user)
        }
        // "Not found" is told in several ways.
        guard user != nil || [0, ENOENT, ESRCH].contains(code) else { throw Errno(code, "getpwnam_r \(name)") }
        return user
    }

    /// Who runs programs for which nobody was named: keepalived's user for scripts where there is one, else nobody.
    ///
    /// - Throws: `Errno`; `ENOENT` when there is neither.
    package static func forScripts() throws(Errno) -> User {
        for name in ["keepalived_script", "nobody"] { if let user = try named(name) { return user } }
        throw Errno(ENOENT, "getpwnam_r nobody")
    }

    /// - Throws: `Errno` when the host's databases cannot be read; `ENOENT` when there is no such user.
    package static func existing(_ name: String) throws(Errno) -> User {
        guard let user = try named(name) else { throw Errno(ENOENT, "getpwnam_r \(name)") }
        return user
    }

    /// The number of a group; `nil` when there is none of that name.
    package static func group(named name: String) throws(Errno) -> UInt32? {
        var record = unsafe Glibc.group()
        var buffer = [CChar](repeating: 0, count: 65_536)
        // Sound: all memory is lent for the duration of the call; the number is copied before it goes.
        let (code, identifier) = unsafe buffer.withUnsafeMutableBufferPointer { room in
            var found: UnsafeMutablePointer<Glibc.group>?
            guard let base = room.baseAddress else { return (ENOMEM, UInt32?.none) }
            let code = unsafe getgrnam_r(name, &record, base, room.count, &found)
            return (code, unsafe found.map { unsafe $0.pointee.gr_gid })
        }
        guard identifier != nil || [0, ENOENT, ESRCH].contains(code) else { throw Errno(code, "getgrnam_r \(name)") }
        return identifier
    }
}
