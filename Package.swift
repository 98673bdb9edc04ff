// swift-tools-version: 6.2
// Understudy: the package, its targets and the direction of their dependencies (docs/architecture.md).

import PackageDescription

/// Settings shared by all Swift targets.
let house: [SwiftSetting] = [
    // Every unsafe spot carries the word `unsafe`; the Tidy test holds where it may stand.
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    // ByteReader borrows a Span and must not outlive it (docs/decisions/0001-byte-reader.md).
    .enableExperimentalFeature("Lifetimes"),
    // A warning is an error, everywhere and always.
    .treatAllWarnings(as: .error),
]

/// `UNDERSTUDY_CHAOS=1 swift build`: a balancer that kills itself at named points, for the tests of survival alone.
let chaos: [SwiftSetting] = Context.environment["UNDERSTUDY_CHAOS"] == "1" ? [.define("CHAOS")] : []

/// `UNDERSTUDY_MORTAL=1 swift build`: a balancer without survival, to measure what that costs (Tests/Bench/survival.py).
let mortal: [SwiftSetting] = Context.environment["UNDERSTUDY_MORTAL"] == "1" ? [.define("MORTAL")] : []

/// The loops' variables belong to one thread each, and are looked at several times for each message: that no two uses overlap is
/// checked by the compiler, and at run time in debug builds, which is what tests run (docs/decisions/0012-hot-path.md).
let unchecked: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// A Swift target of this house.
func swift(_ name: String, _ dependencies: [Target.Dependency] = [], _ more: [SwiftSetting] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: house + more)
}

/// A test target of this house.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: house)
}

let package = Package(
    name: "understudy",
    targets: [
        // C: headers, macros and variadics only.
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CNetlink", pkgConfig: "libnl-route-3.0", providers: [.apt(["libnl-route-3-dev"])]),

        // Pure: no kernel, no clock, no log, no socket.
        swift("Wire"),
        swift("VRRP", ["Wire"]),
        swift("MQTT", ["Wire"]),
        swift("ProxyProtocol", ["Wire"]),
        swift("WebSocket", ["Wire"]),
        swift("Balancing", ["Wire"]),
        swift("Replication", ["Wire", "Balancing"]),
        swift("Configuration", ["Wire"]),

        // Shells: talk to the kernel.
        swift("Linux", ["Wire", "CLinux", "CNetlink"]),
        swift("TLS", ["Wire", "Configuration", "Linux", "COpenSSL"]),
        swift("Telemetry", ["Wire", "Configuration", "Linux"]),
        swift("Control", ["Wire", "Configuration", "Linux"]),
        swift("Failover", ["Wire", "VRRP", "Configuration", "Linux", "TLS", "Telemetry", "Control"]),
        swift(
            "Proxy",
            [
                "Wire", "MQTT", "ProxyProtocol", "WebSocket", "Balancing", "Replication", "Configuration", "Linux", "TLS",
                "Telemetry",
                "Control", "CLinux",
            ], chaos + mortal + unchecked),
        swift("Supervisor", ["Wire", "Configuration", "Linux", "TLS", "Telemetry", "Control"]),
        swift("Lab", ["Wire", "MQTT", "Configuration", "Linux", "Telemetry", "Control"]),
        swift("Bench", ["Wire", "MQTT", "WebSocket", "Configuration", "Linux", "TLS"]),
        .executableTarget(
            name: "understudy",
            dependencies: [
                "Wire", "Configuration", "Linux", "TLS", "Telemetry", "Control", "Failover", "Proxy", "Supervisor",
                "Lab", "Bench", "MQTT",
            ],
            swiftSettings: house + chaos),

        tests("WireTests", ["Wire"]),
        tests("VRRPTests", ["Wire", "VRRP"]),
        tests("MQTTTests", ["Wire", "MQTT"]),
        tests("ProxyProtocolTests", ["Wire", "ProxyProtocol"]),
        tests("WebSocketTests", ["Wire", "WebSocket"]),
        tests("BalancingTests", ["Wire", "Balancing"]),
        tests("ReplicationTests", ["Wire", "Balancing", "Replication"]),
        tests("ConfigurationTests", ["Wire", "Configuration"]),
        tests(
            "KernelTests",
            [
                "Wire", "VRRP", "Configuration", "Linux", "TLS", "Telemetry", "Control", "Failover", "Supervisor",
            ]),
        tests(
            "ProxyTests",
            [
                "Wire", "MQTT", "ProxyProtocol", "WebSocket", "Balancing", "Replication", "Configuration", "Linux", "TLS",
                "Telemetry",
                "Proxy", "COpenSSL",
            ]),
        tests("RecordTests", ["Wire", "Configuration", "TLS", "COpenSSL"]),
        tests("NamespaceTests", ["Wire", "MQTT", "VRRP", "Configuration", "Linux", "Lab"]),
        tests("AcceptanceTests", []),
        tests("BenchTests", ["Wire", "MQTT", "Bench"]),
        tests(
            "FuzzTests",
            [
                "Wire", "VRRP", "MQTT", "ProxyProtocol", "WebSocket", "Replication", "Balancing", "Linux", "TLS", "Control",
                "COpenSSL",
            ]),
        tests("TidyTests", ["Wire", "Configuration"]),
    ],
    swiftLanguageModes: [.v6]
)
