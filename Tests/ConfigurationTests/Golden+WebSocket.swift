// Broken configurations and the exact message each of them gets: MQTT inside WebSockets.

extension Golden {
    static let webSockets = [
        Golden(
            "a WebSocket without its path", as: .anybody,
            file: #"""
                listen m { bind *:8083; use b; protocol mqtt over websocket }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:60: error: protocol lacks path
                    1 | listen m { bind *:8083; use b; protocol mqtt over websocket }
                      |                                                            ^
                      = write: protocol mqtt [over websocket path PATH [host NAME]…] | tcp | http
                """#),
        Golden(
            "a path that is none", as: .anybody,
            file: #"""
                listen m { bind *:8083; use b; protocol mqtt over websocket path mqtt }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:66: error: "mqtt" is not the path of a request
                    1 | listen m { bind *:8083; use b; protocol mqtt over websocket path mqtt }
                      |                                                                  ^~~~
                      = begin it with /
                """#),
        Golden(
            "a name of a host that is none", as: .anybody,
            file: #"""
                listen m { bind *:8083; use b; protocol mqtt over websocket path /mqtt host a/b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:77: error: "a/b" is not the name of a host
                    1 | listen m { bind *:8083; use b; protocol mqtt over websocket path /mqtt host a/b }
                      |                                                                             ^~~
                      = as in mqtt.example.com, 10.0.0.10 or [2001:db8::10]
                """#),
        Golden(
            "X-Forwarded-For without requests", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; trust forwarded-for 10.0.0.0/8 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: X-Forwarded-For comes with a request for a WebSocket, and this listener takes none
                    1 | listen m { bind *:1883; use b; trust forwarded-for 10.0.0.0/8 }
                      |                                ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = write: protocol mqtt over websocket path /mqtt, or leave it out
                """#),
        Golden(
            "a host without a WebSocket", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:8083 host broker.example.com }
                """#,
            messages: #"""
                test.conf:2:45: error: host is what a request for a WebSocket says, and this server gets none
                    2 | backend b { server s1 192.168.0.2:8083 host broker.example.com }
                      |                                             ^~~~~~~~~~~~~~~~~~
                      = add: websocket /mqtt, or leave it out
                """#),
    ]
}
