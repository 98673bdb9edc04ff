// Waiting for what the kernel may grant in a moment.

import Glibc
import Linux
import Testing

@Suite("A shortage")
struct ShortageTests {
    /// What a call that is refused so often ends as, with the pauses that were made.
    private func outcome(_ refusals: [Int32]) -> (result: Result<Int, Errno>, pauses: [Duration]) {
        var left = refusals[...]
        var pauses: [Duration] = []
        do throws(Errno) {
            let value = try Shortage.outlast(pausing: { pauses.append($0) }) { () throws(Errno) in
                guard let code = left.popFirst() else { return 7 }
                throw Errno(code, "clone")
            }
            return (.success(value), pauses)
        } catch {
            return (.failure(error), pauses)
        }
    }

    @Test("is waited for, longer each time")
    func waiting() throws {
        let (result, pauses) = outcome([EAGAIN, ENOMEM, EMFILE])
        #expect(try result.get() == 7)
        #expect(pauses == [.milliseconds(50), .milliseconds(100), .milliseconds(200)])
    }

    @Test("that lasts is the caller's after 1.55 s")
    func lasting() {
        let (result, pauses) = outcome(Array(repeating: ENOMEM, count: 100))
        #expect(throws: Errno.self) { try result.get() }
        #expect(pauses.count == Shortage.tries - 1)
        #expect(pauses.reduce(.zero, +) == .milliseconds(1550))
    }

    @Test("is no other refusal: that is told at once")
    func others() {
        let (result, pauses) = outcome([EINVAL])
        #expect(throws: Errno.self) { try result.get() }
        #expect(pauses.isEmpty)
    }
}
