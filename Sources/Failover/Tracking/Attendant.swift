// The thread that touches the disk for `vip`: it reads files and runs scripts, and may hang where `vip` must not.

import Control
import Glibc
import Linux
import Telemetry
import VRRP
import Wire

/// Reads tracked files and runs tracked scripts on a thread of its own, which has no right but to change users, and
/// ordinary priority.
///
/// `vip` never waits for it: both sides talk over a socket that does not block, and share nothing. What is not heard of in
/// time counts as failed (``Tracker``). Ends when `vip` closes its side: scripts that run are killed and reaped first.
final class Attendant {
    /// How often files are read.
    static let fileInterval = Duration.seconds(1)
    /// Octets of a file that are read: a number is short.
    private static let fileLimit = 64
    /// How long the end waits for killed scripts to be reaped.
    private static let endLimit = Duration.seconds(2)

    private let loop: EventLoop
    private let channel: ControlChannel<AttendantOrder, AttendantNews>
    private let nowhere: FileDescriptor
    private var files: [String] = []
    private var runs: [ScriptRun] = []
    /// Runs that were stopped and are not reaped yet.
    private var ending: [ScriptRun] = []

    /// Starts the thread.
    ///
    /// - Returns: the end of the socket that belongs to `vip`.
    static func start(log: Log) throws(Errno) -> FileDescriptor {
        let pair = try Socket.messagePair()
        let theirs = try pair.second.duplicate().release()
        do throws(Errno) {
            _ = try Thread(name: "vip-attendant") {
                do throws(Errno) {
                    // Scripts have no business with addresses; they are started as other users.
                    try Privileges.dropInThread(keeping: [.setUser, .setGroup])
                    let attendant = try Attendant(FileDescriptor(owning: theirs))
                    try attendant.loop.run()
                } catch {
                    log.error("Files and scripts cannot be tracked.", ["error": error])
                }
            }
        } catch {
            Descriptor.close(theirs)
            throw error
        }
        return try pair.first.duplicate()
    }

    private init(_ socket: consuming FileDescriptor) throws(Errno) {
        loop = try EventLoop()
        nowhere = try File.open(device: "/dev/null")
        channel = try ControlChannel(socket, on: loop)
        channel.onMessage = { [unowned self] order, _ in obey(order) }
        channel.onClosed = { [unowned self] _ in end() }
        readFiles()
    }

    private func obey(_ order: AttendantOrder) {
        files = order.files
        let kept = runs.filter { order.scripts.contains($0.script) }
        for run in runs where !order.scripts.contains(run.script) { stop(run) }
        runs = kept
        for script in order.scripts where !kept.contains(where: { $0.script == script }) {
            let run = ScriptRun(script, on: loop, nowhere: nowhere.number) { [unowned self] result in
                channel.send(.script(script.name, result))
            }
            runs.append(run)
            run.start()
        }
        look()
    }

    private func stop(_ run: ScriptRun) {
        run.stop()
        ending.removeAll { !$0.isRunning }
        if run.isRunning { ending.append(run) }
    }

    // MARK: Files

    private func readFiles() {
        look()
        loop.schedule(at: Clock.now + Self.fileInterval) { [unowned self] in readFiles() }
    }

    private func look() {
        for path in files { channel.send(.file(path, value: Self.number(in: path))) }
    }

    /// The number a file says: blanks around it are ignored, an empty file says 0, no file says 0.
    static func number(in path: String) -> Int? {
        do throws(Errno) {
            let text = String(decoding: try File.read(path, limit: fileLimit), as: UTF8.self)
            let words = text.split { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r\n" }
            if words.isEmpty { return 0 }
            return words.count == 1 ? Int(words[0]) : nil
        } catch {
            return error.code == ENOENT ? 0 : nil
        }
    }

    // MARK: The end

    private func end() {
        for run in runs { stop(run) }
        runs = []
        files = []
        awaitEnd(by: Clock.now + Self.endLimit)
    }

    private func awaitEnd(by deadline: Instant) {
        let isOver = ending.allSatisfy { !$0.isRunning }
        if isOver || Clock.now >= deadline { return loop.stop() }
        loop.schedule(at: Clock.now + .milliseconds(5)) { [unowned self] in awaitEnd(by: deadline) }
    }
}
