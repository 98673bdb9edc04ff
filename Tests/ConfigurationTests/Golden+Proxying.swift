// Configurations with a mistake about PROXY headers, identities or listeners that only pass bytes, and its one message.

extension Golden {
    static let proxying = [
        Golden(
            "a PROXY header from nobody", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; proxy-protocol accept from }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:58: error: proxy-protocol lacks NETWORK
                    1 | listen m { bind *:1883; use b; proxy-protocol accept from }
                      |                                                          ^
                      = write: proxy-protocol accept from NETWORK… [require] [optional]
                """#),
        Golden(
            "a network that is none", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; proxy-protocol accept from 10.0.0.0/33 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:59: error: "10.0.0.0/33" has a wrong prefix length
                    1 | listen m { bind *:1883; use b; proxy-protocol accept from 10.0.0.0/33 }
                      |                                                           ^~~~~~~~~~~
                      = write /0 to /32 behind the address
                """#),
        Golden(
            "required and optional", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; proxy-protocol accept from 10.0.0.1 require optional }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: a header from elsewhere is either required or not
                    1 | listen m { bind *:1883; use b; proxy-protocol accept from 10.0.0.1 require optional }
                      |                                ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = write require or optional
                """#),
        Golden(
            "sending on the side of the clients", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; proxy-protocol v2 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: error: proxy-protocol knows no "v2"
                    1 | listen m { bind *:1883; use b; proxy-protocol v2 }
                      |                                               ^~
                      = write: proxy-protocol accept from NETWORK… [require] [optional]
                """#),
        Golden(
            "a PROXY version that is none", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; proxy-protocol v3 }
                """#,
            messages: #"""
                test.conf:2:56: error: proxy-protocol knows no "v3"
                    2 | backend b { server s1 192.168.0.2:1883; proxy-protocol v3 }
                      |                                                        ^~
                      = did you mean "v1"?
                """#),
        Golden(
            "TLVs in version 1", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; proxy-protocol v1 ssl }
                """#,
            messages: #"""
                test.conf:2:59: error: unexpected "ssl"
                    2 | backend b { server s1 192.168.0.2:1883; proxy-protocol v1 ssl }
                      |                                                           ^~~
                      = write: proxy-protocol v1 | v2 [ssl] [cn] [cipher] [authority] [alpn] [unique-id] [crc32c]
                """#),
        Golden(
            "a misspelt TLV", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; proxy-protocol v2 autority }
                """#,
            messages: #"""
                test.conf:2:59: error: unknown option "autority" of proxy-protocol
                    2 | backend b { server s1 192.168.0.2:1883; proxy-protocol v2 autority }
                      |                                                           ^~~~~~~~
                      = did you mean "authority"?
                """#),
        Golden(
            "HAProxy's word for it", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; send-proxy-v2 }
                """#,
            messages: #"""
                test.conf:2:41: error: unknown directive "send-proxy-v2" in backend
                    2 | backend b { server s1 192.168.0.2:1883; send-proxy-v2 }
                      |                                         ^~~~~~~~~~~~~
                      = here it is written: proxy-protocol v1 | v2 [ssl] [cn] [cipher] [authority] [alpn] [unique-id] [crc32c]
                """#),
        Golden(
            "NGINX's variable", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; rewrite client-id from $ssl_client_serial }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:55: error: rewrite client-id knows no "$ssl_client_serial"
                    1 | listen m { bind *:1883; use b; rewrite client-id from $ssl_client_serial }
                      |                                                       ^~~~~~~~~~~~~~~~~~
                      = did you mean "certificate-serial"?
                """#),
        Golden(
            "a client ID taken away", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; rewrite client-id remove }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:50: error: rewrite client-id knows no "remove"
                    1 | listen m { bind *:1883; use b; rewrite client-id remove }
                      |                                                  ^~~~~~
                      = write: rewrite client-id from (client-id | username | certificate-serial | certificate-dn | certificate-cn | certificate-san | certificate-fingerprint | sni | source-address) [OPTION …]
                """#),
        Golden(
            "a key file without a path", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; rewrite client-id from client-id hashed key }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:72: error: "key" is not an absolute path
                    1 | listen m { bind *:1883; use b; rewrite client-id from client-id hashed key }
                      |                                                                        ^~~
                      = begin it with /
                """#),
        Golden(
            "a certificate nobody shows", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; rewrite username from certificate-cn }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: no client of this listener shows a certificate, so none has a certificate-cn
                    1 | listen m { bind *:1883; use b; rewrite username from certificate-cn }
                      |                                ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = add to its tls: client-certificate required | optional | optional-unverified | none
                """#),
        Golden(
            "rewriting what is not read", as: .anybody,
            file: #"""
                listen m { bind *:1883; protocol tcp; use b; rewrite username remove }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:46: error: a listener of protocol tcp reads no CONNECT to rewrite
                    1 | listen m { bind *:1883; protocol tcp; use b; rewrite username remove }
                      |                                              ^~~~~~~~~~~~~~~~~~~~~~~
                      = write: protocol mqtt, or leave rewrite username out
                test.conf:1:25: note: the protocol is here
                    1 | listen m { bind *:1883; protocol tcp; use b; rewrite username remove }
                      |                         ^~~~~~~~~~~~
                """#),
        Golden(
            "a hash of client IDs that nobody reads", as: .anybody,
            file: #"""
                listen m { bind *:1883; protocol tcp; use b }
                backend b { server s1 192.168.0.2:1883; balance hash client-id }
                """#,
            messages: #"""
                test.conf:2:41: error: clients of the listener m, protocol tcp, have no client ID
                    2 | backend b { server s1 192.168.0.2:1883; balance hash client-id }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~~
                      = write: balance source
                """#),
        Golden(
            "sticking by client IDs that nobody reads", as: .anybody,
            file: #"""
                listen m { bind *:8883; protocol tcp; use b }
                backend b { server s1 192.168.0.2:1883; stick on client-id table t }
                stick-table t { }
                """#,
            messages: #"""
                test.conf:2:41: error: clients of the listener m, protocol tcp, have no client ID
                    2 | backend b { server s1 192.168.0.2:1883; stick on client-id table t }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~~~~~~
                      = leave stick out, and write: balance source
                """#),
    ]

    static let proxyWarnings = [
        Golden(
            "everybody is believed", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; proxy-protocol accept from 0.0.0.0/0 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: warning: everybody in 0.0.0.0/0 may claim to be any client
                    1 | listen m { bind *:1883; use b; proxy-protocol accept from 0.0.0.0/0 }
                      |                                ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = write the addresses of the proxies in front of this host
                """#),
        Golden(
            "a wait for no header", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; timeout proxy-protocol 5s }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: warning: this listener expects no PROXY header to wait for
                    1 | listen m { bind *:1883; use b; timeout proxy-protocol 5s }
                      |                                ^~~~~~~~~~~~~~~~~~~~~~~~~
                      = add: proxy-protocol accept from NETWORK… [require] [optional]
                """#),
        Golden(
            "checks without a header where there is none", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check-proxy-protocol none }
                """#,
            messages: #"""
                test.conf:2:41: warning: the servers of this backend get no PROXY header, nor do their checks
                    2 | backend b { server s1 192.168.0.2:1883; check-proxy-protocol none }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~~~~~
                      = add: proxy-protocol v1 | v2 [ssl] [cn] [cipher] [authority] [alpn] [unique-id] [crc32c]
                """#),
        Golden(
            "a CONNECT that is not read", as: .anybody,
            file: #"""
                listen d { bind *:18083; protocol tcp; timeout connect 3s; use b }
                backend b { server s1 192.168.0.2:18083; check tcp }
                """#,
            messages: #"""
                test.conf:1:40: warning: timeout connect means nothing to a listener of protocol tcp
                    1 | listen d { bind *:18083; protocol tcp; timeout connect 3s; use b }
                      |                                        ^~~~~~~~~~~~~~~~~~
                      = leave it out: no CONNECT is read here
                """#),
        Golden(
            "a dashboard asked in MQTT", as: .anybody,
            file: #"""
                listen d { bind *:18083; protocol http; use b }
                backend b { server s1 192.168.0.2:18083; check mqtt }
                """#,
            messages: #"""
                test.conf:2:42: warning: servers of an HTTP listener are asked in MQTT
                    2 | backend b { server s1 192.168.0.2:18083; check mqtt }
                      |                                          ^~~~~~~~~~
                      = write: check tcp
                """#),
        Golden(
            "bytes that may not be MQTT", as: .anybody,
            file: #"""
                listen d { bind *:18083; protocol tcp; use b }
                backend b { server s1 192.168.0.2:18083 }
                """#,
            messages: #"""
                test.conf:2:1: warning: the servers of this backend are asked in MQTT, as nothing else is written
                    2 | backend b { server s1 192.168.0.2:18083 }
                      | ^~~~~~~~~
                      = add: check tcp, for what the listener d passes is not read
                """#),
        Golden(
            "a cluster port passed through", as: .anybody,
            file: #"""
                listen d { bind *:5370; protocol tcp; use b }
                backend b { server s1 192.168.0.2:1883; check tcp }
                """#,
            messages: #"""
                test.conf:1:17: warning: 5370 is a port EMQX nodes use among themselves
                    1 | listen d { bind *:5370; protocol tcp; use b }
                      |                 ^~~~~~
                      = never offer it to clients; MQTT is 1883
                """#),
    ]
}
