// What the supervisor must know of the stick tables: how much memory they take.

package import Configuration

/// The memory of stick tables, which outlives the balancer.
package enum TableMemory {
    /// Bytes of the memfd of a table.
    package static func bytes(for table: Configuration.TableSettings) -> Int { TableRuntime.bytes(for: table) }
}
