// Suggestions: the nearest known word, or none.

import Testing

@testable import Configuration

@Suite("A misspelt word")
struct SuggestionTests {
    @Test(arguments: [
        ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3), ("prot", "port", 1),
    ])
    func `has a distance`(_ a: String, _ b: String, _ distance: Int) {
        #expect(Suggestion.distance(Array(a.utf8), Array(b.utf8)) == distance)
        #expect(Suggestion.distance(Array(b.utf8), Array(a.utf8)) == distance)
    }

    @Test func `is near to one word and far from others`() {
        let words = ["interface", "router-id", "address", "preempt"]
        #expect(Suggestion.nearest(to: "rooter-id", in: words) == "router-id")
        #expect(Suggestion.nearest(to: "Interface", in: words) == "interface")
        #expect(Suggestion.nearest(to: "weight", in: words) == nil)
        #expect(Suggestion.nearest(to: "", in: words) == nil)
    }
}
