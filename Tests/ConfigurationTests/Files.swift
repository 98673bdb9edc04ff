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
        node lb1 { address 10.0.0.11; address 2001:db8::11; priority 150 }
        node lb2 { address 10.0.0.12; address 2001:db8::12; priority 90 }
        pair { secret "/etc/under study/pair.key"; accept-secret /etc/next.key; port 7000 }
        vrrp mqtt {
            interface eth0
            router-id 51
            address 10.0.0.10/24
            address 10.0.0.20 dev eth3 label eth3:vip
            address 2001:db8::10/64 unadvertised preferred-lifetime 0s
            address 192.0.2.10/32 unclaimed
            announce repeat 3 refresh 1m
            hook after-claim "/usr/lib/under study/claim" timeout 2s
            hook before-release /usr/lib/understudy/release
            version 3
            advert-interval 1.5s
            preempt after 1m30s
            priority lb1 80
            transport multicast
            track interface eth1
            track interface eth2 down 200ms weight -20 up 2s
            track servers emqx weight 5 at-least 2
            track file "/run/under study/drain" weight -10
            track script uplink
            without-servers fault
            settle 30s
            witness 10.0.0.1 required
            duplicate-probe 1m
            down-timer-adverts 4
            checksum message-only
            authentication-mode permissive
            anti-replay time
            clock-window 10s
            hmac-key 7 /etc/vrrp-7.key
            hmac-key 8 "/etc/under study/vrrp-8.key"
            active-key 8
        }
        script uplink {
            command /usr/bin/test
            argument -e
            argument "/run/up link"
            user uplink
            every 2s
            timeout 500ms
            rise 2
            fall 3
        }
        vrrp old {
            interface eth0
            router-id 52
            address 10.0.0.21/24
            version 2
            authentication password "se cret"
            advert-interval 2s
            peer 10.0.0.30
            peer 10.0.0.31
        }
        sync-group both { router mqtt; router old }
        listen mqtt {
            bind *:1883
            bind 10.0.0.11:1884
            protocol mqtt over websocket path "/mqtt" host MQTT.example.com host 10.0.0.10
            trust forwarded-for 10.1.0.0/16
            trust forwarded-for 2001:db8::/32
            use other when username "fleet-*"
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
            limit source-connections 20
            source-prefix 56
            limit connect-rate 2000/s burst 500
            limit source-rate 5/s
            limit client-rate 1/s burst 3
            limit flapping 10 per 2m delay 7s
            limit tracked 128K
            timeout first-byte 2s
            refuse silent
            access deny 10.9.0.0/16
            access allow 10.0.0.0/8
            access allow 2001:db8::/32
            access deny all
        }
        backend emqx {
            balance hash client-id
            stick on client-id table sessions
            server emqx1 192.168.0.2:1883 weight 0
            server emqx2 [2001:db8::3]:1883 backup weight 7
            server emqx3 192.168.0.4:1883 disabled
            server emqx5 192.168.0.6:8083 websocket /mqtt?x=1 host broker.example.com
            check tcp fall 5 every 3s rise 4 timeout 250ms
            timeout connect 1s
            timeout connack 3s
            tries 2
            proxy-protocol v2 ssl cn cipher authority alpn unique-id crc32c
            check-proxy-protocol addresses
            source 10.0.0.11 share 20%
            on-down keep
        }
        backend other { server o 192.168.9.1:1883 }
        resolver 10.0.0.53:53 every 10s timeout 1s
        stick-table sessions { key client-id; size 2M; expire 2d; replicate }
        status { bind 127.0.0.1:8888 }
        admin { socket /tmp/admin.sock; group adm }
        log {
            to journal
            to stderr level warning
            to syslog 10.0.0.5:514 facility local3 format rfc5424 level info
            to syslog local facility local7
            level debug
            sessions both
            session-format tcplog
            empty on
        }
        loops 4
        user nobody
        limit sessions 20000
        realtime-priority 20
        close-spread 5s

        """

    /// The same for tls blocks.
    static let encryption = """
        listen plain { bind *:1883; use b }
        listen a {
            bind *:8883
            use b
            tls {
                certificate /a.pem
                certificate "/b b.pem" default
                certificates /certs
                key /a.key
                client-ca /ca.pem
                client-certificate optional
                verify-depth 7
                crl /crl.pem
                minimum-version 1.3
                maximum-version 1.3
                ciphers HIGH:!aNULL:!MD5
                suites TLS_AES_128_GCM_SHA256
                groups X25519
                alpn mqtt,x-amzn-mqtt-ca
                unknown-name refuse
                session-timeout 10m
                tickets off
                session-cache 40K
                timeout handshake 3s
                records openssl
            }
        }
        listen b { bind *:8884; use b; tls { certificate /c.pem; client-ca /ca.pem } }
        backend b {
            server s 192.168.0.2:8883
            tls {
                ca /ca.pem
                server-name broker.example.com
                certificate /me.pem
                key /me.key
                minimum-version 1.3
                ciphers HIGH
                suites TLS_AES_128_GCM_SHA256
                groups X25519
                records openssl
            }
        }

        """
}
