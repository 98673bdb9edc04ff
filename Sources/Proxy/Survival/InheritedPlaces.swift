// Where the sessions of a former process belong now, worked out by each loop for itself.

/// A ``SurvivalDirectory/Translation`` in memory of one loop alone, to be asked for thousands of sessions in a row: of what all loops
/// share, even reading makes each wait for the others.
struct InheritedPlaces {
    /// No such place any more; no number comes so high.
    private static let gone = UInt32.max

    private let listeners: [UInt32]
    private let backends: [UInt32]
    private let tables: [UInt32]
    /// Of all former backends, one behind the other, and where each one's begin; the last number is where they end.
    private let servers: [UInt32]
    private let beginnings: [Int]

    init(_ translation: SurvivalDirectory.Translation) {
        listeners = translation.listeners.map { $0.map(UInt32.init) ?? Self.gone }
        backends = translation.backends.map { $0 ?? Self.gone }
        tables = translation.tables.map { $0.map(UInt32.init) ?? Self.gone }
        var servers: [UInt32] = []
        var beginnings = [0]
        for ofBackend in translation.servers {
            servers += ofBackend.map { $0.map(UInt32.init) ?? Self.gone }
            beginnings.append(servers.count)
        }
        self.servers = servers
        self.beginnings = beginnings
    }

    /// Gives a session the numbers of this process; `false`, and nothing is changed, when there is no place for it. A stick table that is
    /// gone is none.
    func translate(_ slot: inout Slot) -> Bool {
        let former = Int(slot.backendNumber)
        guard former < backends.count, former + 1 < beginnings.count,
            let listener = Self.place(slot.listener, listeners), let backend = Self.place(slot.backendNumber, backends)
        else { return false }
        let server = beginnings[former] + Int(slot.serverIndex)
        guard server < beginnings[former + 1], servers[server] != Self.gone else { return false }
        slot.listener = UInt16(listener)
        slot.backendNumber = backend
        slot.serverIndex = UInt16(servers[server])
        slot.table = Self.place(slot.table, tables).map { UInt16($0) } ?? Slot.noTable
        return true
    }

    private static func place(_ number: some FixedWidthInteger, _ places: [UInt32]) -> UInt32? {
        guard Int(number) < places.count, places[Int(number)] != gone else { return nil }
        return places[Int(number)]
    }
}
