// The TLS contexts of a configuration, made from what the supervisor handed over.

import Configuration
import Control
import Linux
import TLS

/// Contexts by listener and by backend.
///
/// What has not changed is kept over a reload, so that sessions which clients without tickets left in a context's memory
/// are still resumed.
struct Encryption {
    private struct ListenerEntry {
        var settings: Configuration.ListenerTLS
        var material: TLSMaterial
        var name: String
        var secret: [UInt8]
        var context: TLSContext
    }

    private struct BackendEntry {
        var settings: Configuration.BackendTLS
        var material: TLSMaterial
        var context: TLSContext
    }

    private var listeners: [String: ListenerEntry] = [:]
    private var backends: [String: BackendEntry] = [:]

    /// No TLS anywhere.
    init() {}

    /// The context of a listener; `nil`: its clients speak in the clear.
    func listener(_ name: String) -> TLSContext? { listeners[name]?.context }
    /// The context of a backend; `nil`: its servers are spoken to in the clear.
    func backend(_ name: String) -> TLSContext? { backends[name]?.context }

    /// Makes what a configuration needs.
    ///
    /// - Parameters:
    ///   - former: what may be kept.
    ///   - descriptor: The number of a descriptor the supervisor handed over.
    init(
        _ configuration: Configuration, former: Encryption, descriptor: (DescriptorName) -> Int32?
    ) throws(Registry.Refusal) {
        let encrypted = configuration.encryptedListeners
        let secret = encrypted.isEmpty ? [] : try Self.ticketSecret(descriptor(.ticketSecret))
        for listener in encrypted {
            guard let settings = listener.tls else { continue }
            let material = try Self.material(descriptor(.tls(listener: listener.name)), "listener \(listener.name)")
            let name = listener.webSocket == nil ? "mqtt" : "http/1.1"
            if let known = former.listeners[listener.name], known.settings == settings, known.material == material,
                known.name == name, known.secret == secret
            {
                listeners[listener.name] = known
                continue
            }
            do throws(TLSError) {
                let context = try TLSContext(
                    listener: settings, material: material, protocol: name, ticketSecret: secret)
                listeners[listener.name] = ListenerEntry(
                    settings: settings, material: material, name: name, secret: secret, context: context)
            } catch {
                throw Registry.Refusal(reason: "TLS of listener \(listener.name): \(error)")
            }
        }
        for backend in configuration.encryptedBackends {
            guard let settings = backend.tls else { continue }
            let material = try Self.material(descriptor(.tls(backend: backend.name)), "backend \(backend.name)")
            if let known = former.backends[backend.name], known.settings == settings, known.material == material {
                backends[backend.name] = known
                continue
            }
            do throws(TLSError) {
                backends[backend.name] = BackendEntry(
                    settings: settings, material: material,
                    context: try TLSContext(backend: settings, material: material))
            } catch {
                throw Registry.Refusal(reason: "TLS of backend \(backend.name): \(error)")
            }
        }
    }

    private static func material(_ number: Int32?, _ whose: String) throws(Registry.Refusal) -> TLSMaterial {
        guard let number else { throw Registry.Refusal(reason: "no certificates came for \(whose)") }
        do {
            let bytes = try Memfd.contents(number, limit: TLSMaterial.maximumSize)
            return try TLSMaterial(parsing: bytes.span)
        } catch {
            throw Registry.Refusal(reason: "the certificates of \(whose): \(error)")
        }
    }

    private static func ticketSecret(_ number: Int32?) throws(Registry.Refusal) -> [UInt8] {
        guard let number else { throw Registry.Refusal(reason: "no secret for session tickets came") }
        let secret: [UInt8]
        do { secret = try Memfd.contents(number, limit: TicketKeys.secretCount + 1) } catch {
            throw Registry.Refusal(reason: "the secret of session tickets: \(error)")
        }
        guard secret.count == TicketKeys.secretCount else {
            throw Registry.Refusal(reason: "the secret of session tickets has \(secret.count) bytes")
        }
        return secret
    }
}
