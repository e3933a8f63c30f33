import FileTransfer
import Jingle
import Testing

/// What peers may reach.
@Suite struct ForwardRulesTests {
    @Test(arguments: [
        ("localhost:80", "localhost:80", true), ("localhost:80", "LOCALHOST:80", true),
        ("localhost:80", "localhost:81", false),
        // Names are compared as they are written.
        ("localhost:80", "127.0.0.1:80", false), ("localhost:*", "localhost:1", true),
        ("localhost:*", "other:1", false),
        ("*:80", "other:80", true), ("*:80", "other:81", false), ("[::1]:80", "[::1]:80", true),
        ("[::1]:80", "[0:0::1]:80", false), ("unix:/run/s", "/run/s", true), ("unix:/run/s", "/run/st", false),
        ("unix:/run/s", "/run/../run/s", false), ("*:*", "/run/s", false), ("unix:/run/s", "run:1", false),
    ])
    func targets(pattern: String, address: String, isAllowed: Bool) throws {
        let pattern = try #require(ForwardRules.Pattern(connecting: pattern))
        #expect(pattern.covers(try #require(ForwardAddress(address))) == isAllowed)
    }

    @Test(arguments: [
        ("8080", "localhost:8080", true), ("8080", "127.0.0.1:8080", true), ("8080", "[::1]:8080", true),
        // Without a bind address nobody else gets in.
        ("8080", "0.0.0.0:8080", false), ("8080", "*:8080", false), ("8080", "192.168.1.2:8080", false),
        ("*:8080", "*:8080", true), ("*:8080", "192.168.1.2:8080", true), ("0.0.0.0:8080", "0.0.0.0:8080", true),
        ("0.0.0.0:8080", "*:8080", false), ("*", "localhost:1", true), ("*", "0.0.0.0:1", false),
        ("0", "localhost:0", true), ("0", "localhost:1", false), ("8080", "localhost:0", false),
        ("unix:/run/s", "/run/s", true),
    ])
    func listeners(pattern: String, address: String, isAllowed: Bool) throws {
        let pattern = try #require(ForwardRules.Pattern(listening: pattern))
        #expect(pattern.covers(try #require(ForwardAddress(address))) == isAllowed)
    }

    @Test(arguments: [
        "", "80", "host", "host:", "host:0", "host:65536", ":80", "::1:80", "[::1]", "ho st:80", "unix:", "unix:s",
        "host:80:90", "/run/s",
    ])
    func wrongPatterns(text: String) {
        #expect(ForwardRules.Pattern(connecting: text) == nil)
    }

    @Test(arguments: ["", "host", ":80", "::1:80", "host:65536", "unix:s", "-1"])
    func wrongListeningPatterns(text: String) {
        #expect(ForwardRules.Pattern(listening: text) == nil)
    }

    /// Two spellings of a letter are one to a reader, and two to the kernel.
    @Test func pathsAreComparedByTheirBytes() throws {
        let pattern = try #require(ForwardRules.Pattern(connecting: "unix:/run/caf\u{e9}"))
        #expect(pattern.covers(.unix(path: "/run/caf\u{e9}")))
        #expect(!pattern.covers(.unix(path: "/run/cafe\u{301}")))
    }
}
