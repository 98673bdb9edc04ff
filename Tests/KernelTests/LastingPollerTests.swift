// A set of sockets and the events it has told outlive the process that was told.

import Linux
import Testing
import Wire

@Suite("Lasting poller")
struct LastingPollerTests {
    private static let batch = 4

    /// Two pollers, as of a process and its successor, over one set and one memory.
    private func pollers() throws -> (EdgePoller, EdgePoller) {
        let file = try Memfd.create(name: "events", size: EdgePoller.bytes(batch: Self.batch))
        let region = try Memfd.map(file.number)
        let set = try EdgePoller.makeLasting()
        let copy = try Descriptor.duplicate(set)
        return (
            EdgePoller(number: set, events: region, batch: Self.batch),
            EdgePoller(number: copy.release(), events: region, batch: Self.batch)
        )
    }

    @Test("an event that was told and not served is found by the next, once it was served it is not")
    func events() throws {
        let (first, second) = try pollers()
        let bells = [try Bell(), try Bell()]
        for (index, bell) in bells.enumerated() { try first.add(bell.number, tag: UInt64(index + 1)) }
        func told(_ poller: EdgePoller) -> Set<UInt64> {
            Set((0..<poller.batch).map { poller[$0].tag }.filter { $0 != 0 })
        }
        _ = try first.wait(nanoseconds: 0)
        // Every eventfd can be written to.
        for index in 0..<first.batch { first.told(first.batch).forget(index) }
        for bell in bells { bell.ring() }
        #expect(try first.wait(nanoseconds: 1_000_000_000) == 2)
        #expect(told(second) == [1, 2])
        let served = try #require((0..<2).first { first[$0].tag == 1 })
        first.told(2).forget(served)
        #expect(told(second) == [2])
        #expect(try second.wait(nanoseconds: 0) == 0, "the kernel does not tell again")
        // What comes later is told to whoever waits: the registration lives on.
        bells[0].ring()
        #expect(try second.wait(nanoseconds: 1_000_000_000) == 1)
        #expect(second[0].tag == 1)
    }

    @Test("only a set is taken for one")
    func sets() throws {
        let (first, _) = try pollers()
        let bell = try Bell()
        #expect(EdgePoller.isSet(first.number))
        #expect(!EdgePoller.isSet(bell.number))
        let null = try File.open(device: "/dev/null")
        #expect(!EdgePoller.isSet(null.number), "what cannot be waited for is no set")
        #expect(!EdgePoller.isSet(-1))
    }

    @Test("numbers are found in a set of descriptors, and none that cannot be")
    func descriptors() {
        var set = DescriptorSet()
        for number in [Int32](arrayLiteral: 0, 3, 64, 70_000, -1, Int32.max) { set.insert(number) }
        for number in [Int32](arrayLiteral: 0, 3, 64, 70_000) { #expect(set.contains(number)) }
        for number in [Int32](arrayLiteral: 1, 2, 63, 65, 69_999, -1, Int32.max, 1 << 20) { #expect(!set.contains(number)) }
    }
}
