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
        /// What it contains is no key: so many octets in hexadecimal, or something else.
        case noKey(octets: Int?)
    }

    /// A refused file.
    package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        package var path: String
        package var problem: Problem
        /// What the file should have been: `pair secret`.
        package var purpose = "pair secret"

        /// `the pair secret /etc/understudy/pair.secret can be read by others (mode 0644); run: chmod 600 …`.
        package var description: String {
            let file = "the \(purpose) \(path)"
            switch problem {
            case .missing:
                return "\(file) is missing; "
                    + (purpose == "key" ? "all routers" : "understudy keygen writes one, and both hosts")
                    + " need the same"
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
            case .noKey(let octets):
                let found = octets.map { "has \($0) bytes" } ?? "is not hexadecimal"
                return "\(file) \(found); write 32 to 64 bytes in hexadecimal, as: openssl rand -hex 32"
            }
        }
    }

    /// Reads and checks the file; the same for `check`, the supervisor and a reload.
    ///
    /// - Parameter purpose: what the file should be, for the refusal.
    package static func read(_ path: String, as purpose: String = "pair secret") throws(Refusal) -> PairSecret {
        let bytes: [UInt8]
        do throws(Problem) {
            bytes = try contents(path)
        } catch {
            throw Refusal(path: path, problem: error, purpose: purpose)
        }
        do throws(PairSecret.Problem) {
            return try PairSecret(parsing: bytes)
        } catch {
            throw Refusal(path: path, problem: .contents(error), purpose: purpose)
        }
    }

    /// Octets a key for adverts may have (draft-cassen-vrrp-auth-hmac).
    package static let keyCounts = 32...64

    /// Reads and checks a file with one key in hexadecimal; white space around it does not matter.
    package static func readKey(_ path: String) throws(Refusal) -> [UInt8] {
        do throws(Problem) {
            let digits = try contents(path).split { $0 == 0x20 || (0x09...0x0D).contains($0) }
            guard digits.count == 1, let word = digits.first, word.count % 2 == 0 else { throw Problem.noKey(octets: nil) }
            var octets: [UInt8] = []
            var high: UInt8?
            for character in word {
                guard character < 0x80, let digit = Character(UnicodeScalar(character)).hexDigitValue else {
                    throw Problem.noKey(octets: nil)
                }
                if let first = high { octets.append(first << 4 | UInt8(digit)) }
                high = high == nil ? UInt8(digit) : nil
            }
            guard keyCounts.contains(octets.count) else { throw Problem.noKey(octets: octets.count) }
            return octets
        } catch {
            throw Refusal(path: path, problem: error, purpose: "key")
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
