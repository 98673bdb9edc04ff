// Threads, named, started with all signals blocked.

import CLinux
import Glibc

/// A thread of this process.
@safe
package final class Thread: Sendable {
    // Sound: set once in `init`; the kernel's handle is a number.
    private let handle: pthread_t

    /// Octets of a thread's stack.
    private static let stackSize = 1 << 20

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts a thread. It blocks every signal: they are for the loop that reads them.
    ///
    /// - Parameter name: what `top -H` shows, at most 15 octets.
    package init(name: String, _ run: @escaping @Sendable () -> Void) throws(Errno) {
        var attributes = pthread_attr_t()
        var all = sigset_t()
        var before = sigset_t()
        var handle = pthread_t()
        let body = unsafe Unmanaged.passRetained(Body(name, run))
        // Sound: attributes and sets live here and are used by this call only; the body is retained until the new thread
        // takes it over, or released below when there is none.
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setstacksize(&attributes, Self.stackSize)
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        let code = unsafe pthread_create(
            &handle, &attributes,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                ProcessSelf.setName(body.name)
                body.run()
                return nil
            }, body.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        unsafe pthread_attr_destroy(&attributes)
        guard code == 0 else {
            unsafe body.release()
            throw Errno(code, "pthread_create")
        }
        self.handle = handle
    }

    /// Waits until the thread has ended. Called at most once.
    package func join() {
        _ = pthread_join(handle, nil)
    }
}
