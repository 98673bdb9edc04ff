// Who may connect, by address.

package import Wire

/// Rules on networks of which the first that matches decides; an address no rule names is allowed.
///
/// Looking an address up costs one table look-up for each prefix length among the rules, not one for each network: a
/// list of blocked networks may be long.
package struct AccessList: Sendable {
    /// What a rule says about the addresses in its networks.
    package enum Action: Hashable, Sendable { case allow, deny }

    /// Networks one action holds for.
    package struct Rule: Hashable, Sendable {
        package var action: Action
        package var networks: [IPPrefix]

        package init(_ action: Action, _ networks: [IPPrefix]) {
            self.action = action
            self.networks = networks
        }
    }

    /// Networks of one length and family.
    private struct Group: Sendable {
        let family: AddressFamily
        let length: Int
        var networks: Set<IPAddress>
    }

    private struct Step: Sendable {
        let action: Action
        var groups: [Group] = []

        mutating func add(_ network: IPPrefix) {
            let family = network.address.family
            let address = network.address.network(network.length)
            if let place = groups.firstIndex(where: { $0.family == family && $0.length == network.length }) {
                groups[place].networks.insert(address)
            } else {
                groups.append(Group(family: family, length: network.length, networks: [address]))
            }
        }

        func contains(_ address: IPAddress) -> Bool {
            groups.contains {
                $0.family == address.family && $0.networks.contains(address.network($0.length))
            }
        }
    }

    /// Rules of one action in a row are one step: between them the order means nothing.
    private var steps: [Step] = []

    /// - Parameter rules: in the order of the file.
    package init(_ rules: [Rule]) {
        for rule in rules {
            if steps.last?.action != rule.action { steps.append(Step(action: rule.action)) }
            for network in rule.networks { steps[steps.count - 1].add(network) }
        }
    }

    /// Whether there is nothing to look at.
    package var isEmpty: Bool { steps.isEmpty }

    /// What the first rule that names the address says; without one it is allowed.
    package func allows(_ address: IPAddress) -> Bool {
        for step in steps where step.contains(address) { return step.action == .allow }
        return true
    }
}
