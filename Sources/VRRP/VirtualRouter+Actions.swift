// A short list of actions that lives on the stack.

extension VirtualRouter {
    /// The answer to one event: at most ``capacity`` actions, in order, without an allocation.
    package struct Actions: Sequence, Sendable {
        /// Most actions one event can call for. A longer answer would be our own mistake.
        package static let capacity = 8

        private var slots = InlineArray<8, Action?>(repeating: nil)
        /// How many there are.
        package private(set) var count = 0

        init() {}

        /// Whether nothing is to be done.
        package var isEmpty: Bool { count == 0 }

        mutating func append(_ action: Action) {
            precondition(count < Self.capacity, "more than \(Self.capacity) actions for one event")
            slots[count] = action
            count += 1
        }

        /// Walks through the actions in order.
        package struct Iterator: IteratorProtocol {
            fileprivate let actions: Actions
            fileprivate var index = 0

            /// The next action; `nil` after the last.
            package mutating func next() -> Action? {
                guard index < actions.count else { return nil }
                defer { index += 1 }
                return actions.slots[index]
            }
        }

        /// An iterator over the actions in order.
        package func makeIterator() -> Iterator { Iterator(actions: self) }
    }
}
