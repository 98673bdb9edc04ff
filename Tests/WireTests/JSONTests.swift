// JSON, written and read back.

import Testing

@testable import Wire

@Suite("JSON text")
struct JSONTests {
    @Test(
        "comes back as it was, and holds nothing a terminal would obey",
        arguments: [
            "", "plain", "\"quoted\" \\ /", "\u{0}\u{1}\u{1B}[2J\u{7F}", "\u{80}\u{9B}31m\u{9F}", "\u{A0}é\u{1F600}",
            "\u{202E}gnp.exe", "\u{2066}a\u{2069}\u{200F}\u{061C}", "\u{2028}\u{2029}", "\r\n\t", "e\u{301}\u{200D}",
        ])
    func hostile(text: String) throws {
        let written = JSON.object([JSON.Member(text, .string(text))]).text
        #expect(written.unicodeScalars.allSatisfy { !$0.steersTerminals })
        let read = try JSON(parsing: written)
        #expect(read.members?.first?.name == text)
        #expect(read.members?.first?.value.string == text)
    }

    @Test("leaves what is harmless as it is")
    func harmless() {
        #expect(JSON.string("é\u{1F600}").text == "\"é\u{1F600}\"")
        #expect(JSON.string("\u{9B}\u{202E}").text == "\"\\u009b\\u202e\"")
    }
}
