import Foundation
import Testing

extension EndToEnd {
    /// `--limit`. Under any load a transfer may be slower than its limit, but never faster: what it is worth is measured by
    /// hand.
    @Suite("Limits")
    struct Limits {
        /// Bytes a second; on the command line.
        private static let limit = (text: "8Mbit", bytesPerSecond: 1_000_000)
        private static let byteCount = 2_000_000

        /// How a file goes, and who limits it.
        struct Case: CustomTestStringConvertible {
            var path: String
            var sending: [String] = []
            var receiving: [String] = []
            var server: [String] = []

            var testDescription: String { "\(path), sending \(sending), receiving \(receiving)" }
        }

        @Test(arguments: [
            Case(path: "direct tcp", sending: ["--limit", limit.text]),
            Case(path: "direct udp", sending: ["--path", "udp", "--limit", limit.text]),
            Case(
                path: "socks5 proxy", sending: ["--path", "socks5", "--relay-only", "--limit", limit.text],
                server: ["--components"]),
            Case(path: "in-band", sending: ["--path", "in-band", "--limit", limit.text]),
            Case(path: "direct tcp", sending: ["--limit", "1G"], receiving: ["--limit", limit.text]),
            Case(path: "direct udp", sending: ["--path", "udp"], receiving: ["--limit", limit.text]),
            Case(path: "socks5 direct", sending: ["--path", "socks5"], receiving: ["--limit", limit.text]),
            Case(path: "in-band", sending: ["--path", "in-band"], receiving: ["--limit", limit.text]),
        ])
        func fileIsNoFaster(_ path: Case) async throws {
            try await World.with(.lan, server: path.server) { world in
                let file = try world.makeFile(byteCount: Self.byteCount)
                let receiver = try await world.receiver(["--yes", "--once", "-v"] + path.receiving)
                let sent = try await world.sender(of: [file], path.sending + ["-v"]).exit()
                #expect(sent.status == 0, "\(sent.messages)\(receiver.messages)")
                let got = try await receiver.exit()
                #expect(got.status == 0, "\(got.messages)")
                world.expectReceived(file)
                let summary = try #require(try sent.completed.first)
                #expect(summary.path == path.path)
                let rate = Double(Self.byteCount) / (try #require(summary.durationSeconds))
                print("LIMIT \(path): \(rate) B/s")
                #expect(rate < Double(Self.limit.bytesPerSecond) * 1.05)
                // Either user can see the limit, and the progress goes on all the time.
                let isAsked = path.receiving.contains("--limit")
                let text = "at most 976.6 KiB/s (8.0 Mbit/s)"
                #expect(
                    sent.messages.contains("Sending \(text)\(isAsked ? ", as the other side asks" : "")."), "\(sent)")
                #expect(got.messages.contains("Receiving \(text).") == isAsked, "\(got)")
                for messages in [sent.messages, got.messages] {
                    let lines = messages.split(separator: "\n").filter { $0.contains(" left, ") }
                    #expect(lines.count >= 3, "\(messages)")
                }
            }
        }

        /// Both directions of a pipe, whichever side wants it.
        @Test(arguments: [
            (["--limit", limit.text], [], "tcp"), ([], ["--limit", limit.text], "udp"),
            (["--limit", limit.text], ["--limit", "2M"], "in-band"),
        ])
        func pipeIsNoFasterEitherWay(opening: [String], listening: [String], path: String) async throws {
            try await World.with(.lan) { world in
                let folder = world.folder.path
                let file = try world.makeFile(byteCount: Self.byteCount)
                // Each side notes when all that it gets is there.
                func script(_ side: String) -> String {
                    """
                    date +%s%N >\(folder)/\(side).start
                    "$@" <\(file.path) | { cat >\(folder)/\(side).got; date +%s%N >\(folder)/\(side).end; }
                    exit ${PIPESTATUS[0]}
                    """
                }
                let listener = try await world.pipeListener(listening, script: script("bob"))
                let opener = try world.pipe(opening + ["--path", path, "-v"], script: script("alice"))
                let opened = try await opener.exit()
                #expect(opened.status == 0, "\(opened.messages)")
                #expect(try await listener.exit().status == 0, "\(listener.messages)")
                let start = try Self.number(in: "\(folder)/alice.start")
                for side in ["alice", "bob"] {
                    world.expectReceived(file, as: "\(side).got", into: world.folder)
                    let seconds = (try Self.number(in: "\(folder)/\(side).end") - start) / 1e9
                    #expect(Double(Self.byteCount) / seconds < Double(Self.limit.bytesPerSecond) * 1.05, "\(side)")
                }
                #expect(opened.messages.contains("Sending at most 976.6 KiB/s"), "\(opened.messages)")
            }
        }

        private static func number(in path: String) throws -> Double {
            try #require(
                Double(
                    String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)))
        }

        @Test func nonsenseIsWrongUsage() async throws {
            try await World.with(.veth) { world in
                for text in ["0", "-1", "20Mb", "fast", "9999T"] {
                    let exit = try await world.sender(of: [URL(filePath: "/etc/passwd")], ["--limit=\(text)"]).exit()
                    #expect(exit.status == 2)
                    #expect(exit.messages.contains("--limit") && exit.messages.contains(text), "\(exit.messages)")
                }
            }
        }
    }
}
