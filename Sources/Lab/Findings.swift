// All that was measured in one scenario or story.

package import Wire

/// Findings in the order in which they came up.
package struct Findings: Hashable, Sendable {
    package private(set) var all: [Finding] = []

    package init() {}

    /// Adds a run's value; the unit and bound are those of the first time.
    package mutating func add(
        _ name: String, _ value: Double, _ unit: Finding.Unit = .number, _ bound: Finding.Bound? = nil
    ) {
        if let index = all.firstIndex(where: { $0.name == name }) {
            all[index].values.append(value)
        } else {
            var finding = Finding(name, unit, bound)
            finding.values.append(value)
            all.append(finding)
        }
    }

    /// Adds a measured time, with the bound it must keep.
    package mutating func add(_ name: String, _ duration: Duration, _ bound: Finding.Bound? = nil) {
        add(name, duration.milliseconds, .milliseconds, bound)
    }

    /// What is broken, in sentences.
    package var broken: [String] { all.filter { !$0.holds }.map(\.line) }
    package var json: JSON { .array(all.map(\.json)) }
}
