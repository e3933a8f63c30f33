import FileTransfer
import Jingle
import Testing

@testable import sleigh

/// What `-L` and `-R` say, as ssh reads it.
@Suite struct ForwardArgumentTests {
    @Test(arguments: [
        ("8080:host:80", "localhost:8080", "host:80"), ("0:host:80", "localhost:0", "host:80"),
        ("127.0.0.1:8080:host:80", "127.0.0.1:8080", "host:80"), ("*:8080:host:80", "*:8080", "host:80"),
        (":8080:host:80", "*:8080", "host:80"), ("[::1]:8080:[fe80::1]:80", "[::1]:8080", "[fe80::1]:80"),
        ("8080:/run/s", "localhost:8080", "/run/s"), ("0.0.0.0:8080:/run/s", "0.0.0.0:8080", "/run/s"),
        ("/tmp/s:host:80", "/tmp/s", "host:80"), ("/tmp/s:/run/s", "/tmp/s", "/run/s"),
    ])
    func forwards(text: String, source: String, target: String) throws {
        let forward = try #require(ForwardArgument(argument: text)).forward
        #expect(forward.source.description == source)
        #expect(forward.target.description == target)
    }

    @Test(arguments: [
        "", ":", "8080", "8080:host", "host:80", "8080:host:", "8080::80", "8080:host:0", "8080:*:80", "x:host:80",
        "65536:host:80", "a:b:8080:host:80", "::1:8080:host:80", "[::1:8080:host:80", "8080:run/s", "/tmp/s",
        "/tmp/s:80", "/:host:80", "8080:ho st:80", "[::1]8080:host:80",
    ])
    func wrongOnes(text: String) {
        #expect(ForwardArgument(argument: text) == nil)
    }
}
