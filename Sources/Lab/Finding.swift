// One measured thing: its values over several runs, and what is demanded of them.

package import Wire

/// Values of several runs, with the bound they must keep.
package struct Finding: Hashable, Sendable {
    /// What a value counts.
    package enum Unit: String, Hashable, Sendable {
        case milliseconds = "ms", number = "", bytes = "bytes", seconds = "s"
    }

    /// What is demanded.
    package enum Bound: Hashable, Sendable {
        case medianAtMost(Double)
        case maximumAtMost(Double)
        case always(Double)

        /// The bound in words.
        package var text: String {
            switch self {
            case .medianAtMost(let value): "median <= \(Finding.text(value))"
            case .maximumAtMost(let value): "<= \(Finding.text(value))"
            case .always(let value): "= \(Finding.text(value))"
            }
        }
    }

    package let name: String
    package let unit: Unit
    package let bound: Bound?
    package var values: [Double] = []

    package init(_ name: String, _ unit: Unit, _ bound: Bound? = nil) {
        self.name = name
        self.unit = unit
        self.bound = bound
    }

    package var median: Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .infinity }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    package var maximum: Double { values.max() ?? .infinity }

    /// Whether there are values and they keep the bound.
    package var holds: Bool {
        guard !values.isEmpty else { return false }
        return switch bound {
        case nil: true
        case .medianAtMost(let value): median <= value
        case .maximumAtMost(let value): maximum <= value
        case .always(let value): values.allSatisfy { $0 == value }
        }
    }

    /// At most one digit behind the point.
    package static func text(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let tenths = (value * 10).rounded()
        if tenths.truncatingRemainder(dividingBy: 10) == 0 { return String(Int64(tenths / 10)) }
        return String(tenths / 10)
    }

    package var json: JSON {
        [
            "name": .string(name), "unit": .string(unit.rawValue), "median": .number(median),
            "maximum": .number(maximum), "bound": JSON(bound?.text), "holds": .bool(holds),
            "values": .array(values.map { .number($0) }),
        ]
    }

    /// The finding on one line.
    package var line: String {
        let unit = unit.rawValue.isEmpty ? "" : " \(unit.rawValue)"
        let demand = bound.map { ", demanded \($0.text)\(unit): \(holds ? "yes" : "NO")" } ?? ""
        return "\(name): median \(Self.text(median))\(unit), maximum \(Self.text(maximum))\(unit), "
            + "\(values.count) runs\(demand)"
    }
}

extension Duration {
    /// The duration in milliseconds, with its fraction.
    package var milliseconds: Double { Double(nanoseconds) / 1_000_000 }
}
