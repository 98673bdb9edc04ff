// The few words that keeper, supervisor, its holder and its successor share.

import Linux
import Wire

/// One page in a memfd: who is in charge, and where what it would leave is.
///
/// Each word has one writer at a time. Part of what versions of the program leave one another: ``Heritage/version``.
struct KeeperWords {
    private enum Place {
        /// Behind the holder's words.
        static let magic = 2048
        static let keeper = 2056
        static let supervisor = 2060
        static let holder = 2064
        static let deaths = 2068
        static let restless = 2072
        static let hasServed = 2076
        static let ending = 2080
        static let hasEnded = 2084
        /// One for each of two generations: the successor's is written before it is in charge.
        static let heritages = 2088
        static let afterwards = 2560
    }

    private static let magic: UInt64 = 0x5553_4B45_4550_0001
    private static let size = 4096

    let number: Int32
    let region: MemoryRegion

    /// Words for a supervisor that is the first.
    init() throws(Errno) {
        precondition(Holder.wordsSize <= Place.magic, "the holder's words have no room")
        let file = try Memfd.create(name: "understudy-keeper", size: Self.size)
        region = try Memfd.map(file.number)
        number = file.release()
        region.store(Self.magic, at: Place.magic)
    }

    /// Words that others have written.
    ///
    /// - Throws: ``Errno`` when there are none.
    init(adopting number: Int32) throws(Errno) {
        guard number > 2, try Memfd.size(number) == Self.size else { throw Errno(Errno.invalid, "the keeper's words") }
        let region = try Memfd.map(number)
        guard region.load(Place.magic) == Self.magic else { throw Errno(Errno.invalid, "the keeper's words") }
        self.number = number
        self.region = region
    }

    private subscript(word place: Int) -> Int32 {
        get { region.load(place) }
        nonmutating set { region.store(newValue, at: place) }
    }

    /// The keeper's process.
    var keeper: Int32 {
        get { self[word: Place.keeper] }
        nonmutating set { self[word: Place.keeper] = newValue }
    }

    /// The process in charge, or that was.
    var supervisor: Int32 {
        get { self[word: Place.supervisor] }
        nonmutating set { self[word: Place.supervisor] = newValue }
    }

    /// Its holder; 0: it has none yet.
    var holder: Int32 {
        get { self[word: Place.holder] }
        nonmutating set { self[word: Place.holder] = newValue }
    }

    /// The supervisor ends in order: the keeper follows it.
    var hasEnded: Bool {
        get { self[word: Place.hasEnded] != 0 }
        nonmutating set { self[word: Place.hasEnded] = newValue ? 1 : 0 }
    }

    /// Supervisors that died; written by the keeper.
    var deaths: Int32 {
        get { self[word: Place.deaths] }
        nonmutating set { self[word: Place.deaths] = newValue }
    }

    /// How the last of them ended, as wait(2) tells it; written by the keeper.
    var ending: Int32 {
        get { self[word: Place.ending] }
        nonmutating set { self[word: Place.ending] = newValue }
    }

    /// Supervisors that died one after another before they had served for ``Supervision/Limits/stable``.
    var restless: Int32 {
        get { self[word: Place.restless] }
        nonmutating set { self[word: Place.restless] = newValue }
    }

    /// The supervisor in charge has served for a while: its death is none of a row.
    var hasServed: Bool {
        get { self[word: Place.hasServed] != 0 }
        nonmutating set { self[word: Place.hasServed] = newValue ? 1 : 0 }
    }

    /// The number of the memfd with what a supervisor of that generation leaves; 0: nothing yet.
    subscript(heritage generation: UInt64) -> Int32 {
        get { self[word: Place.heritages + Int(generation % 2) * 4] }
        nonmutating set { self[word: Place.heritages + Int(generation % 2) * 4] = newValue }
    }

    /// The program that takes the keeper's place when the supervisor has ended in order; `nil`: none.
    var afterwards: String? {
        var octets: [UInt8] = []
        for offset in 0..<Holder.pathLimit {
            let octet: UInt8 = region.load(Place.afterwards + offset)
            if octet == 0 { break }
            octets.append(octet)
        }
        return octets.isEmpty ? nil : String(decoding: octets, as: UTF8.self)
    }

    /// - Returns: `false` when the path is too long.
    func setAfterwards(_ path: String) -> Bool {
        guard path.utf8.count < Holder.pathLimit else { return false }
        for (offset, octet) in path.utf8.enumerated() { region.store(octet, at: Place.afterwards + offset) }
        region.store(UInt8(0), at: Place.afterwards + path.utf8.count)
        return true
    }
}
