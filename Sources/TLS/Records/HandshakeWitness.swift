// What a handshake shows of its keys while OpenSSL does it: all that the take-over needs and OpenSSL does not tell later.

import COpenSSL
import Glibc

/// Listens to one handshake.
///
/// TLS 1.3: the traffic secrets, as OpenSSL would write them to a key log, and how many records it has sealed with ours
/// since. TLS 1.2: the explicit nonce of our Finished, from which OpenSSL counts on, and how many records each side has sent behind
/// its change_cipher_spec: a Finished may come in several.
final class HandshakeWitness {
    /// Most bytes of a traffic secret: those of SHA-384 (RFC 8446, 7.1). A longer one is none of our suites'.
    static let maximumSecret = 48

    private(set) var clientSecret: [UInt8] = []
    private(set) var serverSecret: [UInt8] = []
    /// Records OpenSSL wrote since the server's application traffic secret was made: its session tickets. In TLS 1.2, since its
    /// change_cipher_spec: its Finished.
    private(set) var recordsWritten: UInt64 = 0
    /// TLS 1.2: records OpenSSL read since the other side's change_cipher_spec.
    private(set) var recordsRead: UInt64 = 0
    /// The first eight bytes of the first record behind our change_cipher_spec.
    private(set) var explicitNonce: UInt64?

    // Where the stream of what we send stands: bytes of a header, bytes still to pass, type of the record.
    private var header = InlineArray<5, UInt8>(repeating: 0)
    private var headerCount = 0
    private var rest = 0
    private var isEncrypted = false
    private var nonceCount = 0
    private var nonce: UInt64 = 0

    deinit { wipe() }

    /// Overwrites the secrets.
    func wipe() {
        TrafficKeys.wipe(&clientSecret)
        TrafficKeys.wipe(&serverSecret)
        clientSecret = []
        serverSecret = []
    }

    /// A line of the key log: label, client random, secret in hexadecimal digits.
    func note(_ line: UnsafePointer<CChar>) {
        // Sound: the library lends a C string for the duration of the call; nothing is read behind its end.
        if let secret = unsafe Self.secret(in: line, behind: "CLIENT_TRAFFIC_SECRET_0 ") {
            clientSecret = secret
        } else if let secret = unsafe Self.secret(in: line, behind: "SERVER_TRAFFIC_SECRET_0 ") {
            serverSecret = secret
            recordsWritten = 0
        }
    }

    /// The last word of a line with this label; `nil` for other lines, empty when it is not hexadecimal.
    private static func secret(in line: UnsafePointer<CChar>, behind label: StaticString) -> [UInt8]? {
        let length = label.utf8CodeUnitCount
        // Sound: the comparison stops at the line's end, and so do the loops below.
        guard unsafe strncmp(line, UnsafeRawPointer(label.utf8Start).assumingMemoryBound(to: CChar.self), length) == 0
        else { return nil }
        var index = length
        while unsafe line[index] != 0x20 {
            if unsafe line[index] == 0 { return [] }
            index += 1
        }
        index += 1
        var secret: [UInt8] = []
        secret.reserveCapacity(maximumSecret)
        while let high = unsafe Self.value(line[index]) {
            guard secret.count < maximumSecret, let low = unsafe Self.value(line[index + 1]) else {
                TrafficKeys.wipe(&secret)
                return []
            }
            secret.append(high << 4 | low)
            index += 2
        }
        guard unsafe line[index] == 0 else {
            TrafficKeys.wipe(&secret)
            return []
        }
        return secret
    }

    /// A hexadecimal digit's value.
    private static func value(_ digit: CChar) -> UInt8? {
        switch UInt8(bitPattern: digit) {
        case let digit where 0x30...0x39 ~= digit: digit - 0x30
        case let digit where 0x61...0x66 ~= digit: digit - 0x57
        case let digit where 0x41...0x46 ~= digit: digit - 0x37
        default: nil
        }
    }

    /// OpenSSL wrote or read the header of a record of a content type.
    func noteRecord(isWrite: Bool, type: UInt8) {
        // Behind it the numbers begin anew (RFC 5246, 6.1). TLS 1.3 sends it only for the looks of it, before its own secrets.
        let isChange = type == RecordLayer.ContentType.changeCipherSpec
        if isWrite {
            recordsWritten = isChange ? 0 : recordsWritten + 1
        } else {
            recordsRead = isChange ? 0 : recordsRead + 1
        }
    }

    /// Bytes on their way to the peer, all of them and in order.
    func pass(_ bytes: Span<UInt8>) {
        var index = 0
        while index < bytes.count, explicitNonce == nil {
            if rest == 0 {
                header[headerCount] = bytes[index]
                headerCount += 1
                index += 1
                guard headerCount == 5 else { continue }
                headerCount = 0
                rest = Int(header[3]) << 8 | Int(header[4])
                continue
            }
            guard isEncrypted else {
                let step = min(rest, bytes.count - index)
                rest -= step
                index += step
                if rest == 0, header[0] == 20 { isEncrypted = true }
                continue
            }
            nonce = nonce << 8 | UInt64(bytes[index])
            nonceCount += 1
            rest -= 1
            index += 1
            if nonceCount == 8 { explicitNonce = nonce }
        }
    }

    // MARK: Callbacks

    /// OpenSSL's key log, which goes nowhere but here.
    static let keyLog: SSL_CTX_keylog_cb_func = { ssl, line in
        // Sound: the owner lives while its handle does.
        guard let line = unsafe line, let owner = unsafe TLSSession.owner(of: ssl) else { return }
        unsafe owner.witness?.note(line)
    }

    /// OpenSSL's view of each record header it writes or reads.
    static let messages:
        @convention(c) (
            Int32, Int32, Int32, UnsafeRawPointer?, Int, OpaquePointer?, UnsafeMutableRawPointer?
        ) -> Void = { isWrite, _, type, bytes, count, ssl, _ in
            guard type == SSL3_RT_HEADER, count > 0, let bytes = unsafe bytes, let owner = unsafe TLSSession.owner(of: ssl)
            else { return }
            // Sound: the library lends `count` bytes, at least one, for the duration of the call.
            owner.witness?.noteRecord(isWrite: isWrite == 1, type: unsafe bytes.load(as: UInt8.self))
        }
}
