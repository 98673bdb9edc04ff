// A program the lab has started.

package import Linux

/// A running program: its number, its end, and where its lines go.
package final class Program {
    /// The longest line kept, in bytes; longer ones are cut.
    private static let maximumLine = 65_536

    /// The process's number.
    package var process: Int32 { child.pid }
    package let name: String
    /// How it ended; `nil` while it runs.
    package private(set) var ending: Process.Ending?
    private let child: Process
    private let loop: EventLoop
    private var output: Int32 = -1
    private var partial: [UInt8] = []

    init(_ child: Process, name: String, loop: EventLoop) throws(Errno) {
        self.child = child
        self.name = name
        self.loop = loop
        try child.watch(on: loop) { [weak self] ending in self?.ending = ending }
    }

    /// Over, and everything it wrote has been read.
    package var isDone: Bool { ending != nil && output < 0 }

    /// Calls `line` with each line that comes out of the pipe.
    func listen(_ pipe: borrowing FileDescriptor, _ line: @escaping (String) -> Void) throws(Errno) {
        output = try pipe.duplicate().release()
        try Descriptor.setNonBlocking(output)
        try loop.add(output, .readable) { [self] _ in read(line) }
    }

    private func read(_ line: (String) -> Void) {
        do throws(Errno) {
            let bytes = try Descriptor.read(output, limit: 65_536)
            for byte in bytes {
                if byte == 0x0A {
                    line(String(decoding: partial, as: UTF8.self))
                    partial.removeAll(keepingCapacity: true)
                } else if partial.count < Self.maximumLine {
                    partial.append(byte)
                }
            }
            if !bytes.isEmpty { return }
        } catch {
            if error.isWouldBlock { return }
        }
        if !partial.isEmpty { line(String(decoding: partial, as: UTF8.self)) }
        partial = []
        loop.remove(output)
        Descriptor.close(output)
        output = -1
    }

    /// Sends a signal, unless it has ended (its number may then be somebody else's).
    package func signal(_ number: Int32) {
        // It may have ended just now; then there is nothing to signal.
        try? child.send(number)
    }
}
