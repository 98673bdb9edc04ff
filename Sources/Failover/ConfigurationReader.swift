// Reads configurations on a thread of its own: adverts do not wait for it.

import Configuration
import Control
import Glibc
import Linux
import Synchronization
import Wire

/// Makes a configuration of the bytes that the supervisor handed over, beside everything else.
///
/// A configuration may have many files and thousands of servers. The supervisor has judged it already, so nothing depends on
/// when this is done but the reload itself.
final class ConfigurationReader {
    /// What came of it.
    enum Outcome: Sendable {
        case read(Configuration)
        /// Why it cannot be had, in the checker's words.
        case refused(String)
    }

    /// Readings at one time: one that nobody waits for any more still ends by itself.
    private static let maximumReadings = 4

    /// What a thread and its asker share.
    private final class Desk: Sendable {
        let bell: Bell
        let outcome = Mutex<Outcome?>(nil)

        init() throws(Errno) { bell = try Bell() }
    }

    private let loop: EventLoop
    private var readings = 0
    /// Threads that have said their last word, to be joined when they have surely ended.
    private var over: [Thread] = []

    init(on loop: EventLoop) { self.loop = loop }

    /// Reads a bundle.
    ///
    /// - Parameters:
    ///   - memfd: the bundle; taken over.
    ///   - addresses: this host's, by which it recognises itself.
    ///   - done: called once, on the loop, unless this throws.
    /// - Throws: what the kernel refused; `EBUSY` when ``maximumReadings`` are going on.
    func read(
        _ memfd: consuming FileDescriptor, addresses: [IPAddress], _ done: @escaping (Outcome) -> Void
    ) throws(Errno) {
        guard readings < Self.maximumReadings else { throw Errno(EBUSY, "\(readings) configurations are being read") }
        for thread in over { thread.join() }
        over = []
        let desk = try Desk()
        let number = memfd.release()
        let thread: Thread
        do throws(Errno) {
            thread = try Thread(name: "vip-reader") {
                let outcome = Self.read(FileDescriptor(owning: number), addresses)
                desk.outcome.withLock { $0 = outcome }
                desk.bell.ring()
            }
        } catch {
            Descriptor.close(number)
            throw error
        }
        readings += 1
        do throws(Errno) {
            try loop.add(desk.bell.number, .readable) { [weak self] _ in self?.finish(desk, thread, done) }
        } catch {
            // It ends by itself, unheard.
            finishUnheard(thread)
            throw error
        }
    }

    private func finish(_ desk: Desk, _ thread: Thread, _ done: (Outcome) -> Void) {
        loop.remove(desk.bell.number)
        finishUnheard(thread)
        guard let outcome = desk.outcome.withLock({ $0 }) else { return }
        done(outcome)
    }

    private func finishUnheard(_ thread: Thread) {
        readings -= 1
        over.append(thread)
    }

    private static func read(_ memfd: consuming FileDescriptor, _ addresses: [IPAddress]) -> Outcome {
        do {
            // It needs no right but that to memory: where the limit of locked memory holds, an allocation beyond it would be
            // refused to who may not pass it.
            try Privileges.dropInThread(keeping: [.ipcLock])
            let bundle = try ConfigurationBundle(reading: memfd.number)
            let outcome = bundle.check(addresses: addresses, readsLists: false)
            return outcome.configuration.map { .read($0) } ?? .refused(outcome.text)
        } catch {
            return .refused("\(error)")
        }
    }
}
