// From the configuration to the settings of a virtual router, as values.

import Configuration
import Control
import Failover
import TLS
import Testing
import VRRP
import Wire

struct NetworkRouterPlanTests {
    private static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    /// A pair whose first node is this host, with one router.
    private static func configuration(
        _ virtual: [String], nodes: [String] = ["10.0.0.11", "10.0.0.12"],
        transport: Configuration.VirtualRouterSettings.Transport = .unicast
    ) throws -> Configuration {
        var configuration = Configuration()
        for (index, node) in nodes.enumerated() {
            configuration.nodes.append(.init(name: "lb\(index + 1)", address: try address(node)))
        }
        configuration.node = "lb1"
        var router = Configuration.VirtualRouterSettings(
            name: "mqtt", interface: "eth0", routerID: 51,
            addresses: try virtual.map { .init(try #require(IPPrefix($0))) }, priority: 150)
        router.transport = transport
        router.authentication.kind = .none
        router.preempt = .after(.seconds(30))
        router.tracking.tracks = [.init(.interface("eth1"))]
        configuration.routers = [router]
        return configuration
    }

    @Test func everySettingArrives() throws {
        let plan = try #require(try RouterPlan.plans(of: try Self.configuration(["10.0.0.10/24"])).first)
        #expect(plan.name == "mqtt" && plan.tracking.interfaces == ["eth1"])
        #expect(plan.identity.interface == "eth0" && plan.identity.routerID == 51 && plan.identity.family == .ipv4)
        #expect(
            plan.settings
                == VirtualRouter.Settings(
                    routerID: 51, priority: 150, preempt: .after(.seconds(30)),
                    addresses: [try Self.address("10.0.0.10")], peers: [try Self.address("10.0.0.12")],
                    announceRepeats: 5))
    }

    @Test func multicastHasNoPeers() throws {
        let plan = try #require(
            try RouterPlan.plans(of: try Self.configuration(["fd00::10/64"], transport: .multicast)).first)
        #expect(plan.settings.peers.isEmpty && plan.identity.family == .ipv6)
    }

    @Test func unicastNeedsAnotherNodeOfItsFamily() throws {
        for configuration in [
            try Self.configuration(["10.0.0.10/24"], nodes: ["10.0.0.11"]),
            try Self.configuration(["fd00::10/64"]),
        ] {
            #expect(throws: RouterPlan.Impossible.self) { try RouterPlan.plans(of: configuration) }
        }
    }

    @Test func unicastLeavesFromTheNodesAddressAndNoOther() throws {
        let plan = try #require(try RouterPlan.plans(of: try Self.configuration(["10.0.0.10/24"])).first)
        let own = try Self.address("10.0.0.11")
        #expect(plan.source(among: [try Self.address("10.0.0.10"), own]) == own)
        #expect(plan.source(among: [try Self.address("10.0.0.10"), try Self.address("10.0.0.99")]) == nil)
    }

    @Test func multicastLeavesFromAnyAddressThatIsNotVirtual() throws {
        let configuration = try Self.configuration(["10.0.0.10/24"], transport: .multicast)
        let plan = try #require(try RouterPlan.plans(of: configuration).first)
        let other = try Self.address("10.0.0.99")
        #expect(plan.source(among: [try Self.address("10.0.0.10"), other]) == other)
        #expect(plan.source(among: [try Self.address("10.0.0.10")]) == nil)
        #expect(plan.source(among: [other, try Self.address("10.0.0.11")]) == (try Self.address("10.0.0.11")))
    }

    @Test func multicastOverIPv6LeavesFromALinkLocalAddress() throws {
        let configuration = try Self.configuration(
            ["fd00::10/64"], nodes: ["fd00::11", "fd00::12"], transport: .multicast)
        let plan = try #require(try RouterPlan.plans(of: configuration).first)
        let linkLocal = try Self.address("fe80::1")
        #expect(plan.source(among: [try Self.address("fd00::11"), linkLocal]) == linkLocal)
        #expect(plan.source(among: [try Self.address("fd00::11")]) == nil)
    }

    @Test func bothFamiliesAreTwoRoutersOfOneGroup() throws {
        var configuration = try Self.configuration(["10.0.0.10/24", "fd00::10/64"])
        configuration.nodes[0].otherAddress = try Self.address("fd00::11")
        configuration.nodes[1].otherAddress = try Self.address("fd00::12")
        let plans = try RouterPlan.plans(of: configuration)
        #expect(plans.map(\.name) == ["mqtt/ipv4", "mqtt/ipv6"] && plans.map(\.group) == ["mqtt", "mqtt"])
        #expect(plans.map(\.identity.family) == [.ipv4, .ipv6])
        #expect(plans.map(\.settings.peers) == [[try Self.address("10.0.0.12")], [try Self.address("fd00::12")]])
        #expect(plans.allSatisfy { $0.settings.isGrouped && $0.settings.unadvertised.isEmpty })
        configuration.syncGroups = [.init(name: "all")]
        configuration.syncGroups[0].routers = ["mqtt"]
        #expect(try RouterPlan.plans(of: configuration).map(\.group) == ["all", "all"])
    }

    @Test func peersReplaceTheOtherNodeAndLeaveOutThisOne() throws {
        var configuration = try Self.configuration(["10.0.0.10/24"])
        configuration.routers[0].peers = try ["10.0.0.11", "10.0.0.30"].map(Self.address)
        #expect(try RouterPlan.plans(of: configuration)[0].settings.peers == [try Self.address("10.0.0.30")])
        configuration.routers[0].peers = [try Self.address("10.0.0.11")]
        #expect(throws: RouterPlan.Impossible.self) { try RouterPlan.plans(of: configuration) }
    }

    @Test func keysFollowFromTheSecretsInTheConfiguration() throws {
        var configuration = try Self.configuration(["10.0.0.10/24"])
        configuration.routers[0].authentication.kind = .hmac
        configuration.pair = .init(secretPath: "/k")
        #expect(throws: RouterPlan.Impossible.self) { try RouterPlan.plans(of: configuration) }
        var secrets = RouterSecrets()
        let file = PairSecret.generate().fileContents
        secrets.take(.vrrpSecret, file)
        let settings = try #require(try RouterPlan.plans(of: configuration, secrets: secrets)[0].authentication)
        #expect(settings.mode == .enforce && settings.antiReplay == .monotonic && settings.keys.count == 1)
        #expect(settings.keys[0].secret.count == 32 && settings.activeKey == settings.keys[0].id)

        // The same secret twice gives one number twice.
        configuration.pair?.acceptedSecretPath = "/other"
        #expect(throws: RouterPlan.Impossible.self) { try RouterPlan.plans(of: configuration, secrets: secrets) }
        secrets.take(.vrrpAcceptedSecret, file)
        #expect(throws: RouterPlan.Impossible.self) { try RouterPlan.plans(of: configuration, secrets: secrets) }

        configuration.routers[0].authentication.keys = [.init(id: 7, path: "/7"), .init(id: 8, path: "/8")]
        configuration.routers[0].authentication.activeKey = 8
        secrets.take(.vrrpKey("mqtt", 7), Array(repeating: 1, count: 32))
        #expect(throws: RouterPlan.Impossible.self) { try RouterPlan.plans(of: configuration, secrets: secrets) }
        secrets.take(.vrrpKey("mqtt", 8), Array(repeating: 2, count: 64))
        let own = try #require(try RouterPlan.plans(of: configuration, secrets: secrets)[0].authentication)
        #expect(own.keys.map(\.id) == [7, 8] && own.activeKey == 8)
    }

    @Test func aKeyOfAConfigurationThatWasRefusedIsForgotten() throws {
        var configuration = try Self.configuration(["10.0.0.10/24"])
        configuration.routers[0].authentication.kind = .hmac
        configuration.routers[0].authentication.keys = [.init(id: 7, path: "/7")]
        func secret(_ secrets: RouterSecrets) throws -> [UInt8]? {
            try RouterPlan.plans(of: configuration, secrets: secrets)[0].authentication?.keys[0].secret
        }
        let (old, new) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
        var secrets = RouterSecrets()
        secrets.take(.vrrpKey("mqtt", 7), old)
        #expect(try secret(secrets) == old)
        secrets.commit()
        secrets.take(.vrrpKey("mqtt", 7), new)
        #expect(try secret(secrets) == new)
        secrets.cancel()
        #expect(try secret(secrets) == old)
        secrets.take(.vrrpKey("mqtt", 7), new)
        secrets.commit()
        secrets.cancel()
        #expect(try secret(secrets) == new)
    }

    @Test func versionTwoCarriesItsPassword() throws {
        var configuration = try Self.configuration(["10.0.0.10/24"])
        configuration.routers[0].version = 2
        configuration.routers[0].advertInterval = .seconds(1)
        configuration.routers[0].authentication.kind = .password("secret")
        let settings = try RouterPlan.plans(of: configuration)[0].settings
        #expect(settings.version == .two)
        #expect(settings.authentication == Advertisement.Authentication(password: "secret"))
    }
}
