// Broken configurations and the exact message each of them gets: tls blocks, as far as the file alone tells.

extension Golden {
    static let encryption = [
        Golden(
            "no certificate", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { minimum-version 1.3 }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:25: error: this tls has no certificate
                    1 | listen m { bind *:8883; tls { minimum-version 1.3 }; use b }
                      |                         ^~~
                      = add: certificate FILE [default]; key FILE
                """#),
        Golden(
            "two default certificates", as: .anybody,
            file: #"""
                listen m { bind *:8883; use b
                    tls { certificate /a default
                          certificate /b default } }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:3:11: error: two certificates are the default
                    3 |           certificate /b default } }
                      |           ^~~~~~~~~~~~~~~~~~~~~~
                      = leave default out here
                test.conf:2:11: note: the other one is here
                    2 |     tls { certificate /a default
                      |           ^~~~~~~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "client certificates without an authority", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; client-certificate required }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: error: nobody vouches for the certificates of the clients
                    1 | listen m { bind *:8883; tls { certificate /a; client-certificate required }; use b }
                      |                                               ^~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = add: client-ca FILE
                """#),
        Golden(
            "NGINX's word for a certificate that nobody verifies", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; client-certificate optional_no_ca }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:66: error: client-certificate knows no "optional_no_ca"
                    1 | listen m { bind *:8883; tls { certificate /a; client-certificate optional_no_ca }; use b }
                      |                                                                  ^~~~~~~~~~~~~~
                      = did you mean "optional-unverified"?
                """#),
        Golden(
            "a record layer that nobody has", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; records opensll }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:55: error: records knows no "opensll"
                    1 | listen m { bind *:8883; tls { certificate /a; records opensll }; use b }
                      |                                                       ^~~~~~~
                      = did you mean "openssl"?
                """#),
        Golden(
            "a minimum above the maximum", as: .anybody,
            file: #"""
                listen m { bind *:8883; use b
                    tls { certificate /a; minimum-version 1.3; maximum-version 1.2 } }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:48: error: no version of TLS lies between 1.3 and 1.2
                    2 |     tls { certificate /a; minimum-version 1.3; maximum-version 1.2 } }
                      |                                                ^~~~~~~~~~~~~~~~~~~
                      = the minimum is at most the maximum
                test.conf:2:27: note: the minimum is here
                    2 |     tls { certificate /a; minimum-version 1.3; maximum-version 1.2 } }
                      |                           ^~~~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "an old version without a cipher of its own", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; minimum-version 1.0 }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: error: none of the default ciphers works with TLS 1.0
                    1 | listen m { bind *:8883; tls { certificate /a; minimum-version 1.0 }; use b }
                      |                                               ^~~~~~~~~~~~~~~~~~~
                      = add, for example: ciphers HIGH:!aNULL:!MD5
                """#),
        Golden(
            "a version SSL had", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; minimum-version SSLv3 }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:63: error: minimum-version knows no "SSLv3"
                    1 | listen m { bind *:8883; tls { certificate /a; minimum-version SSLv3 }; use b }
                      |                                                               ^~~~~
                      = write: minimum-version 1.2 | 1.3 | 1.1 | 1.0
                """#),
        Golden(
            "NGINX's certificate in a tls block", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { ssl_certificate /a }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:31: error: unknown directive "ssl_certificate" in tls of listen
                    1 | listen m { bind *:8883; tls { ssl_certificate /a }; use b }
                      |                               ^~~~~~~~~~~~~~~
                      = here it is written: certificate FILE [default]
                """#),
        Golden(
            "a key alone in a backend", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:8883; tls { key /k } }
                """#,
            messages: #"""
                test.conf:2:47: error: a key without a certificate
                    2 | backend b { server s1 192.168.0.2:8883; tls { key /k } }
                      |                                               ^~~~~~
                      = add: certificate FILE
                """#),
    ]

    static let encryptionWarnings = [
        Golden(
            "an authority nobody is measured by", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; client-ca /ca; client-certificate none }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: warning: clients are not asked for the certificates this authority issues
                    1 | listen m { bind *:8883; tls { certificate /a; client-ca /ca; client-certificate none }; use b }
                      |                                               ^~~~~~~~~~~~~
                      = write: client-certificate required, or leave client-ca out
                test.conf:1:62: note: they are not asked because of this
                    1 | listen m { bind *:8883; tls { certificate /a; client-ca /ca; client-certificate none }; use b }
                      |                                                              ^~~~~~~~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "an old version", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; minimum-version 1.0; ciphers HIGH:!aNULL }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: warning: TLS below 1.2 is broken (RFC 8996)
                    1 | listen m { bind *:8883; tls { certificate /a; minimum-version 1.0; ciphers HIGH:!aNULL }; use b }
                      |                                               ^~~~~~~~~~~~~~~~~~~
                      = let only devices in that know no better, on a listener of their own
                """#),
        Golden(
            "a revocation list without an authority", as: .anybody,
            file: #"""
                listen m { bind *:8883; tls { certificate /a; crl /crl }; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: warning: crl has no effect: no certificate of a client is verified
                    1 | listen m { bind *:8883; tls { certificate /a; crl /crl }; use b }
                      |                                               ^~~~~~~~
                      = add: client-ca FILE
                """#),
        Golden(
            "no resumption at all", as: .anybody,
            file: #"""
                listen m { bind *:8883; use b
                    tls { certificate /a; tickets off; session-cache 0; session-timeout 10m } }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:57: warning: no session is ever resumed: there are neither tickets nor a session cache
                    2 |     tls { certificate /a; tickets off; session-cache 0; session-timeout 10m } }
                      |                                                         ^~~~~~~~~~~~~~~~~~~
                      = leave session-timeout out, or one of the two in
                """#),
        Golden(
            "servers nobody verifies", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:8883; tls { verify none } }
                """#,
            messages: #"""
                test.conf:2:47: warning: whoever can redirect these connections can read them: no server is verified
                    2 | backend b { server s1 192.168.0.2:8883; tls { verify none } }
                      |                                               ^~~~~~~~~~~
                      = write: verify required; ca FILE
                """#),
    ]
}
