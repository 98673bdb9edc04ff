// What processes have used, as the kernel tells everybody who may look.

import Linux
import Wire

/// Processor time and memory of a few processes.
enum ProcessUsage {
    /// Processor time of all threads that live, in nanoseconds; 0 for a process that is gone.
    static func processorTime(of processes: [Int32]) -> Int64 {
        processes.reduce(0) { sum, process in
            let folder = "/proc/\(process)/task"
            let threads = (try? FileTree.list(folder)) ?? []
            return sum + threads.reduce(0) { $0 + (first(number: "\(folder)/\($1)/schedstat") ?? 0) }
        }
    }

    /// Memory that would come free with the processes, in bytes: what others share counts in part (Pss).
    static func memory(of processes: [Int32]) -> Int64 {
        processes.reduce(0) { $0 + (kilobytes("/proc/\($1)/smaps_rollup", "Pss:") ?? 0) * 1024 }
    }

    /// The kernel's own objects on this machine, in bytes: sockets of every process among them.
    static var kernelObjects: Int64 { (kilobytes("/proc/meminfo", "Slab:") ?? 0) * 1024 }

    private static func text(_ path: String) -> String? {
        (try? File.read(path, limit: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func first(number path: String) -> Int64? {
        text(path)?.split(separator: " ").first.flatMap { Int64($0) }
    }

    private static func kilobytes(_ path: String, _ name: String) -> Int64? {
        let line = text(path)?.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int64($0) }
    }
}
