// Two judges of the same inputs: where they differ there is a reason, or the test has found something.

import Testing

/// Gathers verdicts.
struct Verdicts {
    private var taken = 0
    private var refused = 0
    /// How often each reason explained a difference.
    private(set) var reasons: [String: Int] = [:]

    /// - Parameter reason: why the verdicts may differ; `nil`: they may not.
    mutating func add(
        _ kind: String, _ input: [UInt8], ours: Bool, theirs: Bool, reason: String?,
        _ location: SourceLocation = #_sourceLocation
    ) {
        if ours { taken += 1 } else { refused += 1 }
        guard ours != theirs else { return }
        guard let reason else {
            Issue.record(
                "\(kind) is \(ours ? "taken" : "refused") by us alone: \(input.prefix(400))", sourceLocation: location)
            return
        }
        reasons[reason, default: 0] += 1
    }

    /// Expects that both verdicts were given often enough to mean something.
    func expect(atLeast taken: Int, refused: Int, _ location: SourceLocation = #_sourceLocation) {
        #expect(self.taken >= taken, sourceLocation: location)
        #expect(self.refused >= refused, sourceLocation: location)
        for (reason, count) in reasons.sorted(by: { $0.key < $1.key }) { print("differs \(count) times: \(reason)") }
    }
}
