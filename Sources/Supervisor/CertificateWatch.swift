// Notices that a certificate's file was replaced, once whoever writes it has finished.

import Linux

/// Compares files with what they were when they were read; pure, so that time and disk are the tests' own.
struct CertificateWatch {
    /// How often the files are looked at. A change is taken up when they look the same twice.
    static let interval: Duration = .seconds(2)

    typealias Stamps = [String: File.Stamp?]

    /// The files as they were when they were last judged, good or bad.
    private var judged: Stamps
    /// A change that may not be finished yet.
    private var candidate: Stamps?
    /// New files that were taken up since the start.
    private(set) var reloads = 0
    /// Why the files on the disk are not those in use; `nil`: they are.
    private(set) var problem: String?
    private var isRereading = false

    init(_ stamps: Stamps) { judged = stamps }

    /// - Returns: whether the files are to be read again: they changed, and have come to rest.
    mutating func observe(_ stamps: Stamps) -> Bool {
        guard stamps != judged else {
            candidate = nil
            return false
        }
        guard stamps == candidate else {
            candidate = stamps
            return false
        }
        candidate = nil
        judged = stamps
        isRereading = true
        return true
    }

    /// A generation with these files is in force.
    mutating func committed(_ stamps: Stamps) {
        if isRereading { reloads += 1 }
        isRereading = false
        judged = stamps
        candidate = nil
        problem = nil
    }

    /// What was read again is not good: the old stays in use until the files change once more.
    mutating func refused(_ reason: String) {
        if isRereading { problem = reason }
        isRereading = false
    }
}
