// Reads the pair secret from its file, and refuses a file that others can read.

import Glibc
package import Linux

/// The file with the pair secret, as `understudy keygen` writes it.
///
/// It belongs to root or to the user who reads it, and has no permissions for group and others (0600 or 0400).
package enum SecretFile {
    /// Why a secret file was refused; each with what to do about it.
    package enum Problem: Error, Hashable, Sendable {
        case missing
        /// The kernel does not let us read it.
        case unreadable(Errno)
        /// A directory, a device, a pipe.
        case notAFile
        /// Its permissions, of which it has too many.
        case exposed(mode: UInt32)
        /// The user it belongs to, who is neither root nor the reader.
        case foreignOwner(UInt32)
        /// What it contains is no secret.
        case contents(PairSecret.Problem)
    }

    /// A refused file.
    package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        package var path: String
        package var problem: Problem
        /// What the file is, in words.
        package var name = "the pair secret"

        /// `the pair secret /etc/understudy/pair.secret can be read by others (mode 0644); run: chmod 600 …`.
        package var description: String {
            let file = "\(name) \(path)"
            switch problem {
            case .missing:
                return "\(file) is missing; understudy keygen writes one, and both hosts need the same"
            case .unreadable(let errno):
                return "\(file) cannot be read: \(errno)"
            case .notAFile:
                return "\(file) is not a regular file"
            case .exposed(let mode):
                let octal = String(mode, radix: 8)
                let padded = String(repeating: "0", count: max(0, 4 - octal.count)) + octal
                return "\(file) is open to other users (mode \(padded)); run: chmod 600 \(path)"
            case .foreignOwner(let user):
                return "\(file) belongs to user \(user), who could change it; run: chown root \(path)"
            case .contents(let problem):
                return "\(file) \(problem); understudy keygen writes one"
            }
        }
    }

    /// Reads and checks the file; the same for `check`, the supervisor and a reload.
    ///
    /// - Parameter name: what the file is, for the refusal.
    package static func read(_ path: String, as name: String = "the pair secret") throws(Refusal) -> PairSecret {
        let bytes: [UInt8]
        do throws(Problem) {
            bytes = try contents(path)
        } catch {
            throw Refusal(path: path, problem: error, name: name)
        }
        do throws(PairSecret.Problem) {
            return try PairSecret(parsing: bytes)
        } catch {
            throw Refusal(path: path, problem: .contents(error), name: name)
        }
    }

    private static func contents(_ path: String) throws(Problem) -> [UInt8] {
        let file: FileDescriptor
        do throws(Errno) {
            // Not blocking: a pipe must not hang the check.
            file = FileDescriptor(
                owning: try check("open") { unsafe Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) })
        } catch {
            throw error.code == ENOENT ? .missing : .unreadable(error)
        }
        var status = stat()
        // Sound: the call fills the structure it is lent.
        guard unsafe fstat(file.number, &status) == 0 else { throw .unreadable(.last("fstat")) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        guard status.st_mode & 0o077 == 0 else { throw .exposed(mode: status.st_mode & 0o7777) }
        guard status.st_uid == 0 || status.st_uid == geteuid() else { throw .foreignOwner(status.st_uid) }
        do throws(Errno) {
            return try Descriptor.readAll(file.number, limit: PairSecret.maximumFileSize)
        } catch {
            throw error.code == EFBIG ? .contents(.tooLarge) : .unreadable(error)
        }
    }
}
