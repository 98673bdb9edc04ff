// `understudy lab`: a pair with real brokers in network namespaces on this machine.

import Lab
import Linux
import Wire

/// `understudy lab demo | up | measure SCENARIO | clean`.
enum LabCommand {
    static let subcommand = Understudy.Subcommand(
        name: "lab", arguments: "demo | up | measure SCENARIO [--runs N] | clean",
        purpose: "a pair with real brokers on this machine", run: run)

    /// What is measured without `--runs`.
    private static let defaultRuns = 7
    private static let maximumRuns = 10_000

    static func run(_ arguments: [String]) -> Int32 {
        guard let verb = arguments.first else { return Understudy.wrongUsage("lab: what to do?", of: subcommand) }
        guard let program = FileTree.variable("UNDERSTUDY_BINARY") ?? FileTree.ownProgram else {
            Understudy.complain("understudy: /proc does not say which program this is\n")
            return Understudy.Status.refused
        }
        var settings = LabSettings(program: program)
        var runs = defaultRuns
        var names: [String] = []
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            switch argument {
            case "--runs":
                guard let number = rest.popFirst().flatMap({ Int($0) }), (1...maximumRuns).contains(number) else {
                    return Understudy.wrongUsage("--runs needs a number from 1 to \(maximumRuns)", of: subcommand)
                }
                runs = number
            case "--brokers":
                guard let number = rest.popFirst().flatMap({ Int($0) }), (1...9).contains(number) else {
                    return Understudy.wrongUsage("--brokers needs a number from 1 to 9", of: subcommand)
                }
                settings.brokers = number
            case "--advert-interval":
                guard let number = rest.popFirst(), number.hasSuffix("ms"),
                    let milliseconds = Int64(number.dropLast(2)),
                    (10...40_950).contains(milliseconds)
                else { return Understudy.wrongUsage("--advert-interval needs 10ms to 40950ms", of: subcommand) }
                settings.advertInterval = .milliseconds(milliseconds)
            case _ where argument.hasPrefix("-"):
                return Understudy.wrongUsage("unknown option \"\(argument)\"", of: subcommand)
            default: names.append(argument)
            }
        }
        Interruption.watch()
        do throws(LabError) {
            switch verb {
            case "demo" where names.isEmpty: return try demo(settings)
            case "up" where names.isEmpty: return try up(settings)
            case "clean" where names.isEmpty: return try clean()
            case "measure": return try measure(names, settings, runs)
            default: return Understudy.wrongUsage("lab \(verb): no such thing", of: subcommand)
            }
        } catch {
            Understudy.complain("understudy lab: \(error)\n")
            return Understudy.Status.refused
        }
    }

    /// At once, also into a pipe. A closed standard output is nobody to tell.
    private static func say(_ line: String) { try? Descriptor.writeAll(1, Array((line + "\n").utf8)) }

    private static func demo(_ settings: LabSettings) throws(LabError) -> Int32 {
        let findings = try Demo.tell(settings, say: say)
        say("\nMeasured:")
        let width = findings.all.map(\.name.utf8.count).max() ?? 0
        for finding in findings.all {
            let unit = finding.unit.rawValue.isEmpty ? "" : " \(finding.unit.rawValue)"
            let value = Finding.text(finding.median) + unit
            say(
                "  " + finding.name + String(repeating: " ", count: width - finding.name.utf8.count + 2)
                    + String(repeating: " ", count: max(0, 10 - value.utf8.count)) + value
                    + (finding.bound.map { "   demanded \($0.text)\(unit): \(finding.holds ? "kept" : "NOT KEPT")" }
                        ?? ""))
        }
        return conclude(findings)
    }

    private static func conclude(_ findings: Findings) -> Int32 {
        let broken = findings.broken
        if broken.isEmpty { return Understudy.Status.done }
        Understudy.complain("\nNot kept:\n" + broken.map { "  \($0)\n" }.joined())
        return Understudy.Status.refused
    }

    private static func measure(_ names: [String], _ settings: LabSettings, _ runs: Int) throws(LabError) -> Int32 {
        var scenarios: [Scenario] = []
        for name in names {
            guard let scenario = Scenario(rawValue: name) else {
                return Understudy.wrongUsage(
                    "there is no scenario \"\(name)\"; there are: "
                        + Scenario.allCases.map(\.rawValue).joined(separator: ", "), of: subcommand)
            }
            scenarios.append(scenario)
        }
        guard !scenarios.isEmpty else {
            for scenario in Scenario.allCases { say("\(scenario.rawValue): \(scenario.meaning)") }
            return Understudy.Status.done
        }
        var status = Understudy.Status.done
        for scenario in scenarios {
            let findings = try scenario.measure(settings, runs: runs) { Understudy.complain($0 + "\n") }
            let json: JSON = ["scenario": .string(scenario.rawValue), "runs": JSON(runs), "findings": findings.json]
            say(json.text)
            for finding in findings.all { say("\(scenario.rawValue): \(finding.line)") }
            if !findings.broken.isEmpty { status = Understudy.Status.refused }
        }
        return status
    }

    private static func up(_ settings: LabSettings) throws(LabError) -> Int32 {
        try Lab.with(settings) { (lab) throws(LabError) in
            try lab.startPair()
            say(lab.guide)
            while !Interruption.isRequested { _ = try? lab.bench.pass(.milliseconds(200)) }
            say("\nremoving the lab")
            return Understudy.Status.done
        }
    }

    private static func clean() throws(LabError) -> Int32 {
        let removed = try Lab.clean()
        say(removed.isEmpty ? "nothing was left behind" : "removed what was left of " + removed.joined(separator: " "))
        return Understudy.Status.done
    }
}
