// Descriptors that arrived with a message, owned until somebody takes them.

package import Linux

/// Owns the descriptors of one message: those nobody takes are closed with it.
package final class DescriptorBag {
    private var numbers: [Int32?]

    /// Takes over open descriptors.
    package init(owning numbers: [Int32] = []) { self.numbers = numbers }

    deinit {
        for case .some(let number) in numbers { Descriptor.close(number) }
    }

    package var count: Int { numbers.count }

    /// The numbers of those that nobody has taken.
    package var all: [Int32] { numbers.compactMap { $0 } }

    /// Adds a descriptor at the end.
    package func add(_ descriptor: consuming FileDescriptor) { numbers.append(descriptor.release()) }

    /// The number at a place, for as long as the bag keeps it; `nil` when it was taken.
    package subscript(place: Int) -> Int32? { place < numbers.count ? numbers[place] : nil }

    /// Gives up the descriptor at a place; `nil` when there is none, or none any more.
    package func take(_ place: Int) -> FileDescriptor? {
        guard place < numbers.count, let number = numbers[place] else { return nil }
        numbers[place] = nil
        return FileDescriptor(owning: number)
    }

    /// Gives up the last descriptor and its place.
    func takeLast() -> FileDescriptor? {
        guard !numbers.isEmpty else { return nil }
        let last = take(numbers.count - 1)
        numbers.removeLast()
        return last
    }
}
