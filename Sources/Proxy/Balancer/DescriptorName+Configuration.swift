// What a configuration calls for among the things that a balancer is handed.

import Configuration
import Control

extension DescriptorName {
    /// Whether a balancer needs it for this configuration.
    func isCalledFor(by configuration: Configuration) -> Bool {
        switch self {
        case .listener(Self.statusListener, let bind, _): bind < configuration.statusBinds.count
        case .listener(let name, let bind, _):
            bind < configuration.listeners.first { $0.name == name }?.binds.count ?? 0
        case .memory: configuration.tables.contains { .table($0.name) == self }
        case .pairSecret: configuration.pair != nil
        case .ticketSecret: configuration.listeners.contains { $0.tls != nil }
        case .secret:
            configuration.listeners.contains { $0.tls != nil && .tls(listener: $0.name) == self }
                || configuration.backends.contains { $0.tls != nil && .tls(backend: $0.name) == self }
                || configuration.identityKeyFiles.contains { .identityKey($0) == self }
        }
    }
}
