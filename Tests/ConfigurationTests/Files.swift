// Configurations the tests share: the ones in conf/, and how they are read.

import Testing
import Wire

@testable import Configuration

enum Files {
    static let lb1 = Host(addresses: [.v4(IPv4Address(127, 0, 0, 1)), .v4(IPv4Address(10, 0, 0, 11))])
    static let lb2 = Host(addresses: [.v4(IPv4Address(10, 0, 0, 12))])

    /// A file of conf/.
    static func shipped(_ name: String) throws -> Source {
        Source(name: name, bytes: try Repository.bytes("conf/\(name)"))
    }

    /// A configuration that must be good.
    static func good(_ text: String, as host: Host = Host()) throws -> Configuration {
        let outcome = Checker.check(Source(name: "test.conf", text: text), as: host)
        return try #require(outcome.configuration, Comment(rawValue: outcome.text))
    }

    /// Every directive, every option, nothing at its default.
    static let everything = """
        node lb1 { address 10.0.0.11; priority 150 }
        node lb2 { address 10.0.0.12; priority 90 }
        pair { secret "/etc/under study/pair.key"; port 7000 }
        vrrp mqtt {
            interface eth0
            router-id 51
            address 10.0.0.10/24
            address 10.0.0.20
            version 3
            advert-interval 1.5s
            preempt after 1m30s
            priority lb1 80
            transport multicast
            track interface eth1
            track interface eth2
        }
        listen mqtt {
            bind *:1883
            bind 10.0.0.11:1884
            protocol mqtt
            use emqx
            limit connections 5000
            limit connect-size 1000B
            timeout connect 2500ms
            timeout idle 1h
            backlog 128
            proxy-protocol accept from 10.1.0.0/16 2001:db8::/32 optional
            timeout proxy-protocol 5s
            rewrite client-id from client-id hashed "/etc/under study/identity.key"
            rewrite username from certificate-cn
            rewrite password remove
        }
        backend emqx {
            balance hash client-id
            stick on client-id table sessions
            server emqx1 192.168.0.2:1883 weight 0
            server emqx2 [2001:db8::3]:1883 backup weight 7
            server emqx3 192.168.0.4:1883 disabled
            check tcp fall 5 every 3s rise 4 timeout 250ms
            timeout connect 1s
            timeout connack 3s
            tries 2
            proxy-protocol v2 ssl cn cipher authority alpn unique-id crc32c
            check-proxy-protocol addresses
        }
        stick-table sessions { key client-id; size 2M; expire 2d; replicate }
        admin { socket /tmp/admin.sock; group adm }
        log { to journal; level debug }
        loops 4
        user nobody
        limit sessions 20000

        """
}
