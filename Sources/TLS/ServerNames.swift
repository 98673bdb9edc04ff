// Which certificate a client gets, by the name it asks for.

/// Finds certificates by server name (RFC 6066, 3): the exact name, then the wildcard of its parent domain.
struct ServerNames: Hashable, Sendable {
    /// Certificates by exact name.
    private var exact: [String: [Int]] = [:]
    /// Certificates by what follows `*.`, which stands for exactly one label (RFC 9525, 6.3).
    private var wildcard: [String: [Int]] = [:]

    /// - Parameter names: the names of each certificate, in the order of preference.
    init(_ names: [[String]]) {
        for (index, names) in names.enumerated() {
            for name in names {
                if name.hasPrefix("*.") {
                    wildcard[String(name.dropFirst(2)), default: []].append(index)
                } else {
                    exact[name, default: []].append(index)
                }
            }
        }
    }

    /// Certificates for a name, the preferred first; empty for an unknown one.
    ///
    /// - Parameter name: lower case; a dot at its end does not count.
    func certificates(for name: String) -> [Int] {
        let name = name.hasSuffix(".") ? String(name.dropLast()) : name
        if let found = exact[name] { return found }
        guard let dot = name.firstIndex(of: "."), dot > name.startIndex else { return [] }
        return wildcard[String(name[name.index(after: dot)...])] ?? []
    }
}
