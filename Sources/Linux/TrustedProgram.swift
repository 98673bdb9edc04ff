// Whether a program may be run with the rights of root.

import CLinux
import Glibc

/// Programs that root runs for the operator: nobody else may be able to change them.
package enum TrustedProgram {
    /// Why a program is not to be run: a sentence, or `nil`.
    ///
    /// It and every directory above it must belong to root and be writable by nobody else; it must be a regular file that
    /// may be executed. Symbolic links are followed: what counts is what would run. A directory with the sticky bit, as
    /// `/tmp` has it, may be writable: what belongs to root in it can be renamed or removed by root alone.
    package static func refusal(_ path: String) -> String? {
        let resolved: String
        do throws(Errno) { resolved = try realPath(path) } catch { return "\(path): \(Errno.text(error.code))" }
        var part = resolved
        var isProgram = true
        while true {
            var status = stat()
            // Sound: the path is lent and the structure lives on the stack for the duration of the call.
            guard unsafe stat(part, &status) == 0 else { return "\(part): \(Errno.text(cl_errno()))" }
            if status.st_uid != 0 { return "\(part) does not belong to root" }
            let isSticky = !isProgram && status.st_mode & 0o1000 != 0
            if status.st_mode & 0o022 != 0, !isSticky { return "\(part) can be written by others than root" }
            if isProgram {
                if status.st_mode & S_IFMT != S_IFREG { return "\(part) is not a regular file" }
                if status.st_mode & 0o111 == 0 { return "\(part) may not be executed" }
            }
            isProgram = false
            guard part != "/", let slash = part.lastIndex(of: "/") else { return nil }
            part = slash == part.startIndex ? "/" : String(part[..<slash])
        }
    }

    private static func realPath(_ path: String) throws(Errno) -> String {
        // Sound: the call allocates what it returns, which is copied and freed once.
        guard let found = unsafe realpath(path, nil) else { throw .last("realpath \(path)") }
        defer { unsafe free(found) }
        return unsafe String(cString: found)
    }
}
