// What the supervisor and its children say to one another over their control sockets.

package import Linux
package import Wire

/// A value that travels as one message of a ``ControlChannel``.
///
/// Both ends are the same program, so there is one form and no negotiation; yet the supervisor is privileged and a child
/// reads what strangers sent, therefore decoding trusts nothing: it is bounded and never traps.
package protocol ControlMessage: Sendable {
    /// How many descriptors travel with this message; a message that comes with more or fewer is refused.
    var descriptorCount: Int { get }

    /// Appends the message's form: a kind octet, then its fields in network byte order.
    func write(into bytes: inout [UInt8])

    /// - Throws: ``MalformedMessage`` with what was wrong.
    init(parsing bytes: Span<UInt8>) throws(MalformedMessage)
}

/// A control message that breaks its form: a mistake of the other process, which may be lost or captured.
package struct MalformedMessage: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was wrong.
    package var reason: String

    package init(_ reason: String) { self.reason = reason }

    package var description: String { "malformed control message: \(reason)" }
}

/// Bounds of the control protocol.
package enum ControlLimits {
    /// Octets of one datagram between two processes; a longer message travels as a sealed memfd.
    package static let message = 128 * 1024
    /// Octets of a message that travels as a sealed memfd.
    package static let body = 32 * 1024 * 1024
    /// Descriptors of one message.
    package static let descriptors = 64
    /// Octets of a descriptor's name.
    package static let name = 512
    /// Octets of a program's path.
    package static let path = 1023
    /// Messages that wait for a receiver that is slow.
    package static let queue = 1024
}

/// What the supervisor tells a child.
package enum SupervisorMessage: ControlMessage, Hashable {
    /// The attached descriptors, by name and in this order. They belong to the next ``prepare(generation:)``; a name that
    /// was given before now means the new descriptor, from the commit of that generation on.
    case descriptors([DescriptorName])
    /// Attached: the sealed ``ConfigurationBundle``. Read and check it, get ready, change nothing that shows; answer with
    /// ``ChildMessage/prepared(generation:)`` or ``ChildMessage/refused(generation:reason:)``.
    case prepare(generation: UInt64)
    /// Live by the prepared generation; answer with ``ChildMessage/serving(generation:)``.
    case commit(generation: UInt64)
    /// Forget the prepared generation.
    case cancel(generation: UInt64)
    /// Answer with ``ChildMessage/reply(id:answer:)``: `{"command": …}` from the admin socket, or for `status`.
    case query(id: UInt64, request: JSON)
    /// Attached: a connection of the admin socket. Answer on it, then close it: for answers that stream.
    case admin(request: JSON)
    /// To `vip`. Attached: the end of a new direct link to the balancer (see ``BalancerBeat``); the old one is void. And a
    /// pidfd of that balancer: its holder keeps the link open when it dies.
    case balancerLink
    /// To the balancer. Attached: the end of a new direct link to `vip` (see ``VipNotice``); the old one is void.
    case vipLink
    /// To a balancer that said ``ChildMessage/succeeded(pid:)``: what follows is for it; what came before was for the one
    /// that died.
    case welcome
    /// To the balancer: end at once, with ``ChildProcess/handOverStatus``, so that this program takes its place with all its
    /// sessions. This one comes back should the other not take over, or die before ``believe``.
    case handOver(program: String)
    /// To a balancer that took the place of another program: it is kept.
    case believe
    /// To the balancer: take no new sessions, end those that are there between two packets, at most `rate` a second (0: no
    /// limit), and cut at `deadline` what is left; answer with ``ChildMessage/drained``.
    case drain(deadline: Instant, rate: UInt32)
    /// Finish by this point of the monotonic clock and exit with status 0; who is not gone by then is killed.
    case stop(deadline: Instant)
}

/// What a child tells the supervisor.
package enum ChildMessage: ControlMessage, Hashable {
    /// Ready to commit that generation.
    case prepared(generation: UInt64)
    /// That generation cannot be had; nothing has changed. The reason is a sentence for the operator.
    case refused(generation: UInt64, reason: String)
    /// The program this process runs, as it sees it itself; comes before each ``serving(generation:)``.
    case program(File.Identity)
    /// Lives by that generation and does its work.
    case serving(generation: UInt64)
    /// Every loop of this process has turned since the last beat; due every ``ChildProcess/beatInterval``.
    case beat
    /// The answer to ``SupervisorMessage/query(id:request:)`` of that id.
    case reply(id: UInt64, answer: JSON)
    /// From the balancer: should it die, a successor will come by itself, on this same socket.
    case held
    /// From a balancer that took the place of one that died; its process number.
    case succeeded(pid: Int32)
    /// From the balancer: it has no session any more, and takes none.
    case drained
    /// From the balancer: this thread of it, which only says that it lives, is to come before ordinary ones.
    case heartbeat(thread: Int32)
    /// From a balancer that does not take the place of the one that died, and ends the row: why.
    case gaveUp(reason: String)
    /// One short line about what this child is doing: for `systemctl status`.
    case state(String)
}
