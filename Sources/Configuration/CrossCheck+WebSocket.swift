// Cross-checks of MQTT inside WebSockets: what one directive says and another one needs.

extension CrossCheck {
    mutating func checkWebSockets() {
        for object in draft.objects(.listen) {
            let listener = configuration.listeners[object.index]
            guard let trust = draft.first(.trustForwardedFor, in: object), listener.webSocket == nil else { continue }
            error(
                "X-Forwarded-For comes with a request for a WebSocket, and this listener takes none", at: trust.range,
                help: "write: protocol mqtt over websocket path /mqtt, or leave it out")
        }
        for object in draft.objects(.backend) {
            for server in draft.all(.server, in: object) {
                guard let range = server.arguments.range("host"), server.arguments.text("websocket") == nil else {
                    continue
                }
                error(
                    "host is what a request for a WebSocket says, and this server gets none", at: range,
                    help: "add: websocket /mqtt, or leave it out")
            }
        }
    }
}
