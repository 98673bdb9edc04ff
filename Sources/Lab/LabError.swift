// Why a lab could not be built, or a story not be told.

package import Linux

/// What went wrong in a lab, as a sentence for the person at the terminal.
package struct LabError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The sentence.
    package let description: String

    package init(_ description: String) { self.description = description }

    /// A refusal of the kernel, and what was being done.
    package init(_ what: String, _ errno: Errno) { description = "\(what): \(errno)" }
}

/// Runs `body`, and turns a refusal of the kernel into a ``LabError`` that says what was being done.
func kernel<Result: ~Copyable>(_ what: @autoclosure () -> String, _ body: () throws(Errno) -> Result) throws(LabError)
    -> Result
{
    do throws(Errno) { return try body() } catch { throw LabError(what(), error) }
}
