// Network namespaces, for tests and the lab.

import CLinux
import Glibc

/// A network namespace (network_namespaces(7)); kept alive by this descriptor.
///
/// Entering one changes only the calling thread, so it must be a thread that nobody else works on.
package struct NetworkNamespace: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// A namespace with a name (`ip netns add`).
    package init(named name: String) throws(Errno) { descriptor = try Self.open("/run/netns/\(name)") }

    private init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// The namespace of the calling thread.
    package static func current() throws(Errno) -> NetworkNamespace {
        NetworkNamespace(try open("/proc/thread-self/ns/net"))
    }

    /// A new, empty, nameless namespace, which the calling thread enters. It is gone when nobody uses it any more.
    package static func enterNew() throws(Errno) -> NetworkNamespace {
        try check("unshare CLONE_NEWNET") { unshare(Int32(CL_CLONE_NEWNET)) }
        return try current()
    }

    /// Moves the calling thread into the namespace: sockets it makes from now on belong there.
    package func enter() throws(Errno) {
        try check("setns") { setns(descriptor.number, Int32(CL_CLONE_NEWNET)) }
    }

    /// A path by which programs started by this process find the namespace, as long as this value lives.
    package func pathForChildren() -> String { "/proc/\(getpid())/fd/\(descriptor.number)" }

    private static func open(_ path: String) throws(Errno) -> FileDescriptor {
        // Sound: the path is lent for the duration of the call.
        FileDescriptor(owning: try check("open \(path)") { unsafe cl_open(path, O_RDONLY | O_CLOEXEC, 0) })
    }
}
