// What the tests of two hosts need, and what happens where it is missing.

import Lab
import Linux
import Testing
import Wire

/// All tests of two hosts, one after the other: they measure time.
@Suite(
    "Two hosts", .serialized,
    .enabled(if: Setting.canRun, "needs root and the lab's programs; see the end of make test"))
enum TwoHosts {}

/// The environment's answers.
enum Setting {
    /// The release program; `make test` builds it and says where it is.
    static let program = FileTree.variable("UNDERSTUDY_BINARY") ?? ""

    /// How often a thing that takes time is measured.
    static let runs = FileTree.variable("UNDERSTUDY_RUNS").flatMap { Int($0) } ?? 3

    /// A lab can be built here, or this is CI: there the tests run and fail with what is missing.
    static let canRun = Lab.missing(program: program) == nil || FileTree.variable("CI") == "true"

    static var settings: LabSettings { LabSettings(program: program) }

    /// Runs `body` in a lab; its errors are the test's.
    static func lab(_ settings: LabSettings, _ body: (Lab) throws -> Void) throws {
        var failure: (any Error)?
        try Lab.with(settings) { lab in
            do { try body(lab) } catch {
                print(lab.logs(40))
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Measures a scenario, and demands what each of its findings demands.
    static func demand(_ scenario: Scenario, runs: Int = runs, at location: SourceLocation = #_sourceLocation) throws {
        let findings = try scenario.measure(settings, runs: runs) { print($0) }
        #expect(!findings.all.isEmpty, sourceLocation: location)
        for finding in findings.all {
            print("    \(finding.line)")
            #expect(finding.holds, "\(finding.line); values \(finding.values)", sourceLocation: location)
        }
    }
}
