// This process as one of a row: what it took over, and what follows it.

import Control
import Linux
import Wire

/// The balancer's place between its predecessor and its successor.
final class Survival {
    /// Why a process cannot follow another; the holder goes on without it.
    enum Refusal: Error, CustomStringConvertible {
        /// The predecessor's memory has another layout.
        case layout
        /// Process after process died before it served.
        case crashLoop(deaths: UInt32)

        var description: String {
            switch self {
            case .layout: "the memory that was left is of another layout"
            case .crashLoop(let deaths): "\(deaths) balancers died one after another"
            }
        }
    }

    /// How long a process serves before its death counts by itself.
    static let settling: Duration = .milliseconds(200)

    let state: SurvivalState
    private let holder: Holder
    private var holderPid: Int32
    /// A predecessor's sessions are to be taken over.
    let isSuccessor: Bool
    /// The predecessor ended to make room for this program.
    let wasHandedOver: Bool
    /// Holders that had to be replaced.
    private(set) var replacements: UInt64 = 0

    /// Begins the row, or takes the place of the process that died. On the main thread, before there is another.
    static func begin() throws -> Survival {
        guard let text = ProcessSelf.environment(SurvivalState.variable) else {
            return try Survival(SurvivalState(), isSuccessor: false)
        }
        guard let state = SurvivalState(adopting: text) else { throw Refusal.layout }
        return try Survival(state, isSuccessor: true)
    }

    private init(_ state: SurvivalState, isSuccessor: Bool) throws {
        Chaos.begin(state.chaos)
        if isSuccessor { Chaos.point(.stateMapped) }
        self.state = state
        self.isSuccessor = isSuccessor
        var environment = ["SWIFT_BACKTRACE=enable=no", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        if let stream = ProcessSelf.environment("JOURNAL_STREAM") { environment.append("JOURNAL_STREAM=\(stream)") }
        environment.append("\(SurvivalState.variable)=\(state.number)")
        holder = Holder(
            region: state.region, arguments: ["understudy", ChildProcess.Role.balancer.rawValue],
            environment: environment)
        wasHandedOver = isSuccessor && state.wasHandedOver()
        if isSuccessor, !wasHandedOver, !state.followed() {
            holder.end()
            throw Refusal.crashLoop(deaths: SurvivalState.maximumRestless)
        }
        holderPid = try holder.start()
        // From here on this process is in charge, and nothing of the predecessor's was touched before.
        if isSuccessor { Chaos.point(.holderStarted) }
        holder.commit()
        if isSuccessor { Chaos.point(.ownerStored) }
        // What came back, or was never followed, needs no way back.
        if !holder.isOnProbation { holder.forgetPrevious() }
    }

    /// Another program follows this process when it ends, and this one comes back should that one not take over, or die
    /// before it is believed.
    ///
    /// - Throws: `Errno`; nothing has changed then.
    func hand(to program: String) throws(Errno) {
        try holder.beginProbation()
        guard holder.setNext(program) else {
            holder.believe()
            throw Errno(Errno.nameTooLong, "execve \(program)")
        }
        state.handsOver()
    }

    /// The program of this process is kept.
    func believe() { holder.believe() }

    /// Whether this process may speak for the sessions.
    var charge: Charge { holder.charge }

    /// Nothing follows this process: it ends on purpose.
    func end() { holder.end() }

    /// Replaces a holder that has died.
    func keep() {
        guard Holder.hasEnded(holderPid) else { return }
        guard let pid = try? holder.start() else { return }
        holderPid = pid
        replacements += 1
    }

    /// What the predecessor's numbers mean; `nil`: there is no predecessor, or nobody knows.
    var directory: SurvivalDirectory? { isSuccessor ? state.directory : nil }

    /// What the predecessor's numbers mean here.
    func inheritance(to snapshot: Snapshot) -> SurvivalDirectory.Translation? {
        isSuccessor ? state.directory?.translation(to: snapshot) : nil
    }

    /// The memory of each loop the predecessor had; `nil` for one that makes no sense.
    var loops: [LoopMemory?] {
        guard isSuccessor else { return [] }
        var loops: [LoopMemory?] = []
        for loop in 0..<LoopCount.maximum {
            let record = state.record(loop)
            guard record.capacity > 0 else { break }
            loops.append(LoopMemory(adopting: record))
        }
        return loops
    }
}
