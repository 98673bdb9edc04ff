// Cross-checks of the options of virtual addresses, and of hooks.

import Wire

extension CrossCheck {
    mutating func checkAddressOptions(_ object: Draft.Object) {
        let router = configuration.routers[object.index]
        let occurrences = draft.all(.address, in: object)
        for occurrence in occurrences {
            guard let address = occurrence.arguments.prefix("ADDRESS/LENGTH")?.address else { continue }
            checkLabel(occurrence.arguments, address, router.interface)
            checkLifetime(occurrence.arguments, address)
            checkUnclaimed(occurrence, address)
        }
        for family in router.families { checkNumber(family, occurrences, router) }
        guard router.families.isEmpty, isUnderstood(.address, in: object), let last = occurrences.last else { return }
        error(
            "no address is named in adverts", at: last.range,
            help: "write one without unadvertised: adverts carry one address at least (RFC 9568, 5.2.5)")
    }

    /// Adverts count their addresses in one octet, and travel whole only in one packet of the link.
    private mutating func checkNumber(
        _ family: AddressFamily, _ occurrences: [Draft.Occurrence], _ router: Configuration.VirtualRouterSettings
    ) {
        let named = occurrences.filter { occurrence in
            let arguments = occurrence.arguments
            return !arguments.has("unadvertised") && arguments.prefix("ADDRESS/LENGTH")?.address.family == family
        }
        let maximum = Configuration.VirtualRouterSettings.Address.maximumAdvertised
        guard named.count <= maximum else {
            return error(
                "more than \(maximum) \(family.words) addresses in one advert", at: named[maximum].range,
                help: "write unadvertised behind it, or move it to another vrrp block")
        }
        // IP header, VRRP header, addresses, trailer: RFC 8200, 3, RFC 791, 3.1 and RFC 9568, 5.1.
        let header = (family == .ipv6 ? 40 : 20) + 8
        let trailer = router.authentication.kind == .hmac ? 28 : 0
        let octets = header + named.count * (family == .ipv6 ? 16 : 4) + trailer
        guard octets > Self.usualMTU, let last = named.last else { return }
        warn(
            "adverts with \(named.count) \(family.words) addresses have \(octets) bytes: a link of \(Self.usualMTU) carries them in pieces",
            at: last.range, help: "write unadvertised behind some addresses, or move them to another vrrp block")
    }

    /// What an Ethernet link carries in one packet, in octets.
    private static let usualMTU = 1500

    private mutating func checkLabel(_ arguments: Arguments, _ address: IPAddress, _ interface: String) {
        guard let label = arguments.text("label"), let range = arguments.range("label") else { return }
        if address.family == .ipv6 {
            return error("IPv6 addresses have no label", at: range, help: "leave it out")
        }
        let device = arguments.text("dev") ?? interface
        guard !device.isEmpty, label != device, !label.hasPrefix("\(device):") else { return }
        error(
            "the label \(label.excerpt) does not begin with its interface", at: range,
            help: "write it as in \(device):vip")
    }

    private mutating func checkLifetime(_ arguments: Arguments, _ address: IPAddress) {
        let key = "preferred-lifetime"
        guard arguments.duration(key) != nil, address.family == .ipv4, let range = arguments.range(key) else { return }
        error("IPv4 chooses its sources without a preferred lifetime", at: range, help: "leave it out")
    }

    private mutating func checkUnclaimed(_ occurrence: Draft.Occurrence, _ address: IPAddress) {
        let arguments = occurrence.arguments
        guard arguments.has("unclaimed") else { return }
        if let option = ["dev", "label", "preferred-lifetime"].first(where: { arguments.value($0) != nil }) {
            error(
                "an unclaimed address is on no interface", at: arguments.range(option),
                help: "leave out \(option) or unclaimed")
        } else if arguments.has("unadvertised") {
            error(
                "\(address) is neither claimed nor named in adverts", at: occurrence.range,
                help: "leave out unadvertised, unclaimed, or the address")
        }
    }

    mutating func checkHooks(_ object: Draft.Object) {
        let router = configuration.routers[object.index]
        let hooks = draft.all(.hook, in: object)
        let maximum = Configuration.VirtualRouterSettings.Hook.maximum
        if hooks.count > maximum, let last = hooks.last {
            error("more than \(maximum) hooks", at: last.range, help: "let one program do several things")
        }
        var first: [String: SourceRange] = [:]
        for hook in hooks {
            guard let path = hook.arguments.text("FILE"), let event = hook.arguments.words.first else { continue }
            let key = "\(event) \(path)"
            if let other = first[key] {
                error(
                    "this hook is written twice", at: hook.range, help: "leave one of them out",
                    notes: [.init("it was written here already", at: other)])
            }
            first[key] = first[key] ?? hook.range
        }
        guard !hasErrors, let unclaimed = router.addresses.first(where: \.isUnclaimed),
            !router.hooks.contains(where: { $0.event == .afterClaim || $0.event == .roleChange })
        else { return }
        warn(
            "nobody moves the unclaimed address \(unclaimed.address)", at: draft.first(.address, in: object)?.range,
            help: "add: hook after-claim FILE")
    }
}
