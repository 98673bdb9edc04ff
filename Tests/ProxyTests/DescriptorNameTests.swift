// What a balancer keeps of the descriptors it was handed, after a reload.

import Configuration
import Control
import Testing
import Wire

@testable import Proxy

@Suite("A descriptor's name")
struct DescriptorNameTests {
    @Test("is called for as long as the configuration has what it belongs to")
    func calledFor() {
        let address = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 1883)
        var configuration = Configuration()
        configuration.listeners = [Configuration.ListenerSettings(name: "plain", binds: [address, address], backend: "b")]
        configuration.tables = [Configuration.TableSettings(name: "kept")]
        configuration.backends = [Configuration.BackendSettings(name: "b", servers: [])]
        for name: DescriptorName in [
            .listener("plain", bind: 0, loop: 0), .listener("plain", bind: 1, loop: 7), .table("kept"),
        ] {
            #expect(name.isCalledFor(by: configuration), "\(name)")
        }
        for name: DescriptorName in [
            .listener("plain", bind: 2, loop: 0), .listener("other", bind: 0, loop: 0), .status(bind: 0), .table("gone"),
            .pairSecret, .ticketSecret, .tls(listener: "plain"), .tls(backend: "b"), .identityKey("/key"),
        ] {
            #expect(!name.isCalledFor(by: configuration), "\(name)")
        }
        configuration.pair = Configuration.Pair(secretPath: "/pair.key")
        configuration.listeners[0].tls = Configuration.ListenerTLS()
        configuration.backends[0].tls = Configuration.BackendTLS()
        for name: DescriptorName in [.pairSecret, .ticketSecret, .tls(listener: "plain"), .tls(backend: "b")] {
            #expect(name.isCalledFor(by: configuration), "\(name)")
        }
    }
}
