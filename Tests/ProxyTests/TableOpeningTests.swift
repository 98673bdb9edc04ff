// A stick table that is taken over while clients are served already, and where its sessions belong.

import Balancing
import Configuration
import Linux
import Testing
import Wire

@testable import Proxy

@Suite("Taking over without waiting")
struct TableOpeningTests {
    private let settings: Configuration.TableSettings = {
        var settings = Configuration.TableSettings(name: "sessions")
        settings.size = 4096
        return settings
    }()

    private func table(_ region: MemoryRegion, isDeferred: Bool) -> TableRuntime {
        TableRuntime(
            number: 0, settings: settings, node: 1, hashKey: StickTable.HashKey(1, 2), region: region, isDeferred: isDeferred,
            at: Clock.now, changed: {})
    }

    private func id(_ number: Int) -> [UInt8] { Array("device-\(number)".utf8) }

    @Test("whoever needs a shard opens it, the others are opened in the background, and nothing is lost")
    func opening() {
        let region = MemoryRegion.allocate(count: TableRuntime.bytes(for: settings))
        let server = Server.id(named: "one")
        let former = table(region, isDeferred: false)
        #expect(former.isOpen && !former.isAdopted)
        for number in 0..<500 { #expect(former.connected(id(number), server: server, at: Clock.now) == .learned) }

        let next = table(region, isDeferred: true)
        #expect(next.shards.allSatisfy { !$0.isOpen } && !next.isAdopted)
        // Its pages and expiry wait, and `status` counts what is open.
        next.keep(at: Clock.now)
        #expect(next.json()["entries"] == 0)
        #expect(next.connected(id(7), server: server, at: Clock.now) == .known)
        #expect(next.shards.count(where: \.isOpen) == 1)

        let opened = Gauge()
        ShardOpening(next.shards).runInBackground { opened.add(1) }
        #expect(eventually { opened.value == 1 })
        #expect(next.isOpen && next.isAdopted && next.torn == 0)
        #expect(next.json()["entries"] == 500)
        #expect(next.json()["connected"] == 1)
        for number in 0..<500 { #expect(next.server(for: id(number), at: Clock.now) == server) }
    }

    @Test("a shorter life of entries holds for shards that were not open yet")
    func expire() {
        let region = MemoryRegion.allocate(count: TableRuntime.bytes(for: settings))
        let deferred = table(region, isDeferred: true)
        var other = settings
        other.expire = .seconds(1)
        deferred.apply(other)
        let now = Clock.now
        #expect(deferred.set(id(1), server: Server.id(named: "one"), at: now))
        #expect(deferred.entry(id(1), at: now) != nil)
        #expect(deferred.entry(id(1), at: now + .seconds(2)) == nil)
    }

    @Test("sessions get the numbers of this process, and those without a place none")
    func places() {
        let places = InheritedPlaces(
            SurvivalDirectory.Translation(
                listeners: [nil, 0], backends: [1, nil], servers: [[2, nil], [0]], tables: [nil, 3]))
        func translated(_ listener: UInt16, _ backend: UInt32, _ server: UInt16, _ table: UInt16) -> [Int]? {
            var slot = Slot()
            slot.listener = listener
            slot.backendNumber = backend
            slot.serverIndex = server
            slot.table = table
            let former = slot
            guard places.translate(&slot) else {
                #expect(slot.listener == former.listener && slot.backendNumber == former.backendNumber)
                #expect(slot.serverIndex == former.serverIndex && slot.table == former.table)
                return nil
            }
            return [Int(slot.listener), Int(slot.backendNumber), Int(slot.serverIndex), Int(slot.table)]
        }
        #expect(translated(1, 0, 0, 1) == [0, 1, 2, 3])
        // A table that is gone, and none.
        #expect(translated(1, 0, 0, 0) == [0, 1, 2, Int(Slot.noTable)])
        #expect(translated(1, 0, 0, Slot.noTable) == [0, 1, 2, Int(Slot.noTable)])
        // Listener, server and backend that are gone; numbers that never were.
        for (listener, backend, server) in [(0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0), (1, 0, 2), (1, 2, 0), (65_535, 0, 0)] {
            #expect(translated(UInt16(listener), UInt32(backend), UInt16(server), 1) == nil, "\(listener) \(backend) \(server)")
        }
        #expect(translated(1, .max, 0, 1) == nil)
    }

    @Test("each place is told once how many sessions are its")
    func counts() {
        var counts = InheritedCounts()
        let place = InheritedCounts.Place(backend: 1, server: 2, source: 0)
        for _ in 0..<3 { counts.add(listener: 4, place: place) }
        counts.add(listener: nil, place: nil)
        #expect(counts.sessions == 4)
        #expect(counts.listed == [4: 3])
        #expect(counts.counted == [place: 3])
    }
}
