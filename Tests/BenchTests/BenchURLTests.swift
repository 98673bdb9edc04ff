// URLs of the bench.

import Bench
import Testing

@Suite("A URL of the bench")
struct BenchURLTests {
    @Test(
        "is read and written",
        arguments: [
            ("mqtt://127.0.0.1:1883", "mqtt://127.0.0.1:1883"), ("mqtts://broker", "mqtts://broker:8883"),
            ("ws://h:1/a/b?c", "ws://h:1/a/b?c"), ("wss://[::1]", "wss://[::1]:8084/mqtt"),
            ("mqtt://[fe80::1]:99", "mqtt://[fe80::1]:99"), ("mqtt://*:7", "mqtt://*:7"),
        ])
    func good(text: String, written: String) throws {
        #expect(try BenchURL(text).text == written)
    }

    @Test(
        "is refused",
        arguments: [
            "", "mqtt", "mqtt:/h", "http://h", "mqtt://", "mqtt://:1", "mqtt://h:", "mqtt://h:0", "mqtt://h:65536",
            "mqtt://h:1x", "mqtt://[::1]x",
        ])
    func bad(text: String) {
        #expect(throws: BenchURL.Wrong.self) { try BenchURL(text) }
    }
}
