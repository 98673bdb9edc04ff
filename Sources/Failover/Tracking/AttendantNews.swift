// What the attendant found.

import Control
import VRRP
import Wire

/// One observation of the attendant. Form: JSON.
enum AttendantNews: ControlMessage, Equatable {
    /// What a file says; `nil`: unreadable, or no number. No file is 0.
    case file(String, value: Int?)
    /// How a run of a script ended.
    case script(String, Tracking.ScriptResult)

    var descriptorCount: Int { 0 }

    /// The observation for everybody who tracks it.
    var observation: Tracking.Observation {
        switch self {
        case .file(let path, let value): .file(path, value: value)
        case .script(let name, let result): .script(name, result)
        }
    }

    func write(into bytes: inout [UInt8]) {
        let json: JSON
        switch self {
        case .file(let path, let value): json = ["file": .string(path), "value": value.map { JSON($0) } ?? .null]
        case .script(let name, let result):
            let (kind, number) = result.parts
            json = ["script": .string(name), "result": .string(kind.rawValue), "number": JSON(number)]
        }
        bytes += Array(json.text.utf8)
    }

    init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        let json = try JSON(message: bytes)
        if let path = json["file"]?.string {
            self = .file(path, value: json["value"]?.integer.flatMap { Int(exactly: $0) })
        } else if let name = json["script"]?.string, let kind = json["result"]?.string,
            let result = Tracking.ScriptResult(kind, json["number"]?.integer)
        {
            self = .script(name, result)
        } else {
            throw MalformedMessage("neither a file nor a script")
        }
    }
}

extension Tracking.ScriptResult {
    fileprivate enum Kind: String { case succeeded, failed, killed, timedOut, couldNotRun }

    fileprivate var parts: (Kind, Int32) {
        switch self {
        case .succeeded: (.succeeded, 0)
        case .failed(let status): (.failed, status)
        case .killed(let signal): (.killed, signal)
        case .timedOut: (.timedOut, 0)
        case .couldNotRun(let errno): (.couldNotRun, errno)
        }
    }

    fileprivate init?(_ kind: String, _ number: Int64?) {
        let number = Int32(clamping: number ?? 0)
        switch Kind(rawValue: kind) {
        case .succeeded?: self = .succeeded
        case .failed?: self = .failed(status: number)
        case .killed?: self = .killed(signal: number)
        case .timedOut?: self = .timedOut
        case .couldNotRun?: self = .couldNotRun(errno: number)
        case nil: return nil
        }
    }
}
