// What is kept of changes nobody fetches, and what is told of checks that cannot be made.

import Balancing
import Testing
import Wire

@testable import Proxy

@Suite("News of servers")
struct ServerNewsTests {
    private func change(_ from: HealthState.Status, _ to: HealthState.Status) -> HealthState.Transition {
        HealthState.Transition(from: from, to: to, cause: .checkFailed(.silent), since: .zero)
    }

    @Test("lose no server's last state, however many there are")
    func bound() {
        var news = ServerNews()
        news.add(nil, of: 1)
        #expect(news.fetch().isEmpty)
        for server in 0..<4096 { news.add(change(.up, .goingDown), of: server) }
        for server in 0..<4096 { news.add(change(.goingDown, .down), of: server) }
        let told = news.fetch()
        #expect(told.count == 4096 && news.merged == 4096)
        #expect(Set(told.map(\.server)).count == 4096)
        #expect(told.allSatisfy { $0.transition.from == .up && $0.transition.to == .down && $0.transition.closesSessions })
        #expect(news.fetch().isEmpty)
        // Below the bound every step is told.
        news.add(change(.up, .goingDown), of: 3)
        news.add(change(.goingDown, .down), of: 3)
        #expect(news.fetch().map(\.transition.to) == [.goingDown, .down])
    }

    @Test("that a host cannot check come at once, and then once a minute")
    func skipped() {
        var skipped = SkippedChecks()
        #expect(skipped.skipped(at: .zero + .seconds(5)) == 1)
        for second in Int64(6)..<65 { #expect(skipped.skipped(at: .zero + .seconds(second)) == nil) }
        #expect(skipped.skipped(at: .zero + .seconds(65)) == 60)
        #expect(skipped.skipped(at: .zero + .seconds(66)) == nil)
    }
}
