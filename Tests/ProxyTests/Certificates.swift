// A certificate for the tests of this target, made once by openssl.

import Configuration
import Glibc
import Linux
import Wire

@testable import TLS

/// A self-signed certificate for 127.0.0.1 and `mqtt.example.com`, and contexts with it.
enum Certificates {
    /// The directory of `server.pem` and `server.key`, which the process's end leaves behind in /tmp.
    static let directory: String = {
        let directory = "/tmp/understudy-edge-\(getpid())"
        // Sound: the string is lent to the call.
        let made = unsafe system(
            """
            mkdir -p \(directory) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
            -subj /CN=stranger -keyout \(directory)/stranger.key -out \(directory)/stranger.pem 2>/dev/null && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
            -subj /CN=mqtt.example.com -addext subjectAltName=DNS:mqtt.example.com,IP:127.0.0.1 \
            -keyout \(directory)/server.key -out \(directory)/server.pem 2>/dev/null
            """)
        precondition(made == 0, "openssl made no certificate")
        return directory
    }()

    /// A server with a certificate that nobody trusts.
    static func stranger() throws -> TLSContext {
        try TLSContext(server: directory + "/stranger.pem", key: directory + "/stranger.key")
    }

    static func server(
        _ version: Int? = nil, records: Configuration.RecordLayerChoice = .native
    ) throws -> TLSContext {
        try TLSContext(
            server: directory + "/server.pem", key: directory + "/server.key", version: version, records: records)
    }

    static func client(
        _ version: Int? = nil, records: Configuration.RecordLayerChoice = .native
    ) throws -> TLSContext {
        try TLSContext(clientTrusting: directory + "/server.pem", version: version, records: records)
    }
}
