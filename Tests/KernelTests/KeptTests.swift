// What a supervisor leaves is whole at every moment, also while it closes its own.

import Control
import Glibc
import Linux
import Testing
import Wire

@testable import Supervisor

@Suite("What a supervisor leaves")
struct KeptTests {
    /// Memory: something with an identity of its own.
    private func thing() throws -> Int32 { try Memfd.create(name: "understudy-thing", size: 4096).release() }

    private func heritage(bundle: Int32, secrets: [String: Int32], generation: UInt64) -> Heritage {
        Heritage(
            program: "1", started: .zero, generation: generation, lastGeneration: generation, loops: 1, bundle: bundle,
            secrets: secrets, user: nil, ticketSecret: [], holdings: secrets.map { .secret(name: $0.key, $0.value) },
            children: [
                Heritage.Child(
                    role: .balancer, pid: 4711, channel: bundle, isHeld: true, started: .zero, state: nil, restarts: 0,
                    lastEnding: nil, claimant: 0, program: nil, given: secrets.merging(["secret/gone": 99_999]) { one, _ in one })
            ], orders: [], end: nil, admin: nil, asker: nil)
    }

    @Test("stays open, and what it was, when its own descriptors are closed and their numbers are others'")
    func copies() throws {
        let words = try KeeperWords()
        let kept = try Kept("\(words.number),\(try thing())", arguments: ["understudy", "run"])
        let open = try FileTree.list("/proc/self/fd").count
        let bundle = try thing()
        let secret = try thing()
        let identities = try (Descriptor.identity(bundle), Descriptor.identity(secret))
        try kept.publish(heritage(bundle: bundle, secrets: ["secret/pair": secret], generation: 7))
        for number in [bundle, secret] { Descriptor.close(number) }
        // Whoever opens something now is given these numbers.
        let others = try [thing(), thing()]
        #expect(Set(others) == [bundle, secret])

        let left = { words[heritage: 1] }
        let found = try Heritage(reading: Descriptor.duplicate(left()).release())
        #expect(found.generation == 7)
        #expect(try Descriptor.identity(found.bundle) == identities.0)
        #expect(found.children.first?.channel == found.bundle)
        let copy = try #require(found.secrets["secret/pair"])
        #expect(try Descriptor.identity(copy) == identities.1)
        #expect(found.holdings == [.secret(name: "secret/pair", copy)])
        // What nobody holds is not given.
        #expect(found.children.first?.given == ["secret/pair": copy])

        // The same numbers, other things: a new state, and the former copies are closed behind it.
        try kept.publish(heritage(bundle: others[0], secrets: ["secret/pair": others[1]], generation: 7))
        let next = try Heritage(reading: Descriptor.duplicate(left()).release())
        #expect(try Descriptor.identity(next.bundle) == Descriptor.identity(others[0]))
        #expect((try? Descriptor.identity(found.bundle)) != identities.0)
        // Two of ours, two copies, the state.
        #expect(try FileTree.list("/proc/self/fd").count == open + 5)

        // Something that is not open any more is no state: the one before it stays.
        Descriptor.close(others[1])
        #expect(throws: Errno.self) {
            try kept.publish(heritage(bundle: others[0], secrets: ["secret/pair": others[1]], generation: 8))
        }
        #expect(try Heritage(reading: Descriptor.duplicate(left()).release()).generation == 7)
        #expect(try FileTree.list("/proc/self/fd").count == open + 4)
        Descriptor.close(others[0])
    }
}
