// The lab's hands: one event loop, programs, a directory, and everything that has to be put away again.

import Glibc
package import Linux
import Wire

/// Runs programs and waits for conditions on one thread, and knows everything that must be gone at the end.
///
/// Stories are straight lines that call ``wait(for:_:)`` and ``run(_:)``, each of which turns the loop; handlers on the
/// loop (clients, probes) never do.
package final class Workbench {
    /// The longest output kept of one program, in bytes.
    static let maximumOutput = 4 << 20
    /// A program run to its end gets this long.
    static let programLimit: Duration = .seconds(20)

    package let loop: EventLoop
    /// A directory of this lab alone; removed with it.
    package let directory: String
    /// Begins the names of this lab's namespaces.
    let prefix: String
    /// Held as long as the lab lives: how `lab clean` knows the dead from the living.
    private let lock: FileDescriptor
    private let nothing: FileDescriptor
    private let home: NetworkNamespace
    private(set) var programs: [Program] = []

    /// - Parameter number: tells several labs of one process apart.
    package init(number: Int) throws(LabError) {
        prefix = "us\(getpid())x\(number)-"
        directory = "/tmp/\(prefix)lab"
        let directory = directory
        loop = try kernel("the lab's loop") { () throws(Errno) in try EventLoop() }
        nothing = try kernel("/dev/null") { () throws(Errno) in try FileTree.open("/dev/null", O_RDWR) }
        home = try kernel("this namespace") { () throws(Errno) in try NetworkNamespace.current() }
        try kernel("the lab's directory") { () throws(Errno) in
            try FileTree.remove(directory)
            try FileTree.makeDirectory(directory)
        }
        lock = try kernel("the lab's lock") { () throws(Errno) in
            let file = try FileTree.open("\(directory)/lock", O_RDWR | O_CREAT)
            try check("flock") { flock(file.number, LOCK_EX | LOCK_NB) }
            return file
        }
    }

    // MARK: Waiting

    /// Turns the loop until `condition` holds; false when `limit` passes first.
    ///
    /// - Throws: ``LabError`` when somebody pressed ^C.
    package func wait(for limit: Duration, _ condition: () -> Bool) throws(LabError) -> Bool {
        let deadline = Clock.now + limit
        while !condition() {
            if Interruption.isRequested { throw LabError("interrupted") }
            let rest = deadline - Clock.now
            if rest <= .zero { return false }
            let step = min(rest, .milliseconds(20))
            try kernel("the lab's loop") { () throws(Errno) in try loop.turn(limit: step) }
        }
        return true
    }

    /// Serves clients and probes for a while.
    package func pass(_ duration: Duration) throws(LabError) { _ = try wait(for: duration) { false } }

    // MARK: Programs

    /// Starts a program whose output goes to a file in the lab's directory.
    func start(_ arguments: [String], log: String) throws(LabError) -> Program {
        let path = "\(directory)/\(log)"
        let file = try kernel("the log \(path)") { () throws(Errno) in
            try FileTree.open(path, O_WRONLY | O_CREAT | O_APPEND)
        }
        return try launch(arguments, output: file.number, name: log)
    }

    /// Starts a program and calls `line` with each line it writes, as it arrives.
    func start(_ arguments: [String], line: @escaping (String) -> Void) throws(LabError) -> Program {
        let pipe = try kernel("a pipe") { () throws(Errno) in try Pipe.make() }
        let program = try launch(arguments, output: pipe.second.number, name: arguments[0])
        try kernel("a pipe") { () throws(Errno) in try program.listen(pipe.first, line) }
        return program
    }

    private func launch(_ arguments: [String], output: Int32, name: String) throws(LabError) -> Program {
        guard let path = FileTree.program(arguments[0]) else { throw LabError("there is no program \(arguments[0])") }
        var launch = Process.Launch(
            path: path, arguments: arguments,
            environment: ["PATH=\(FileTree.variable("PATH") ?? "/usr/bin:/bin"):/usr/sbin:/sbin"])
        launch.descriptors = [0: nothing.number, 1: output, 2: output]
        let program = try kernel("starting \(name)") { () throws(Errno) in
            try Program(Process(launch), name: name, loop: loop)
        }
        programs.removeAll { $0.ending != nil }
        programs.append(program)
        return program
    }

    /// Runs a program to its end.
    ///
    /// - Returns: how it ended and what it wrote to standard output and standard error.
    @discardableResult
    package func run(_ arguments: [String], limit: Duration = programLimit) throws(LabError) -> (
        ending: Process.Ending, output: String
    ) {
        var output = ""
        let program = try start(arguments) { line in
            if output.utf8.count < Self.maximumOutput { output += line + "\n" }
        }
        guard try wait(for: limit, { program.isDone }), let ending = program.ending else {
            program.signal(SIGKILL)
            throw LabError("\(arguments.joined(separator: " ")) did not end within \(limit.text)")
        }
        return (ending, output)
    }

    /// Runs a program that must succeed.
    @discardableResult
    package func succeed(_ arguments: [String], limit: Duration = programLimit) throws(LabError) -> String {
        let (ending, output) = try run(arguments, limit: limit)
        guard ending == .exited(0) else {
            throw LabError("\(arguments.joined(separator: " ")): \(ending)\n\(output)")
        }
        return output
    }

    // MARK: Namespaces

    /// Makes something (a socket) in the namespace of that name. The thread is back where it was when this returns.
    func inside<Result: ~Copyable>(
        _ namespace: String, _ body: () throws(Errno) -> Result
    ) throws(Errno) -> Result {
        let other = try NetworkNamespace(named: namespace)
        try other.enter()
        defer {
            // The thread's own namespace is open: returning to it is not refused.
            do throws(Errno) { try home.enter() } catch { preconditionFailure("cannot leave a namespace: \(error)") }
        }
        return try body()
    }
}
