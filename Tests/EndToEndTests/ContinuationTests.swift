import Foundation
import Testing

extension EndToEnd {
    /// A path that is lost midway, and the one that carries the rest, for both sides on their own.
    @Suite("Continuations")
    struct Continuations {
        private static let byteCount = 2 << 20
        private static let question = "Accept? [y/N] "

        /// How the receiver comes to accept a file.
        enum Acceptance: CaseIterable {
            case always
            /// Only from one address.
            case fromSender
            /// Somebody at the terminal is asked.
            case byPerson

            var arguments: [String] {
                switch self {
                case .always: ["--yes", "--once"]
                case .fromSender: ["--from", "alice@sleigh.test", "--once"]
                case .byPerson: ["--once"]
                }
            }
        }

        /// The proxy throws both out. Whoever has accepted the file is not asked again.
        @Test(arguments: Acceptance.allCases)
        func fromTheProxyToInBand(accepting acceptance: Acceptance) async throws {
            try await World.with(.twoNATs, server: ["--components"]) { world in
                let terminal = acceptance == .byPerson ? try PseudoTerminal() : nil
                let receiver = try await world.receiver(acceptance.arguments, at: terminal)
                try await expectContinuation(
                    from: "socks5 proxy", to: "in-band", in: world, receiver,
                    sending: ["--path", "socks5", "--path", "in-band"]
                ) {
                    guard let terminal else { return }
                    try await terminal.wait(toShow: Self.question, by: receiver)
                    try terminal.type("y\n")
                } breaking: {
                    try await world.resetProxy()
                }
                if let terminal { #expect(terminal.text.components(separatedBy: Self.question).count == 2) }
            }
        }

        /// The TURN server dies, which shows by its silence; over TCP its kernel says so.
        @Test(arguments: ["udp", "tcp"])
        func fromTheRelayToTheProxy(transport: String) async throws {
            try await World.with(.symmetric, server: ["--components"]) { world in
                if transport == "tcp" { try await world.drop("udp dport 3478", in: .net) }
                try await expectContinuation(
                    from: "relay turn-\(transport)", to: "socks5 proxy", in: world, try await world.receiver()
                ) {
                } breaking: {
                    try await world.stopTURN()
                }
            }
        }

        /// Sends a file, breaks its path in the middle, and expects that it arrives over another as one file.
        ///
        /// - Parameters:
        ///   - accept: what the receiver's side does for the file to be accepted.
        ///   - breakdown: makes the first path useless.
        private func expectContinuation(
            from lost: String, to path: String, in world: World, _ receiver: Program, sending: [String] = [],
            _ accept: () async throws -> Void, breaking breakdown: () async throws -> Void
        ) async throws {
            let file = try world.makeFile(byteCount: Self.byteCount)
            // Slow enough to have a middle.
            let sender = try world.sender(of: [file], sending + ["--limit", "1M"])
            try await accept()
            try await world.waitForPart(of: file, from: sender, byteCount: Self.byteCount / 8)
            try await world.holding(sender, while: breakdown)
            let sent = try await sender.exit()
            try #require(sent.status == 0, "\(sent.messages) \(receiver.messages)")
            let received = try await receiver.exit()
            try #require(received.status == 0, "\(received.messages)")
            world.expectReceived(file)
            #expect(try world.inboxNames == [file.lastPathComponent])
            for exit in [sent, received] {
                let completed = try exit.completed
                #expect(completed.map(\.path) == [path])
                #expect(completed.first?.transferredByteCount == Self.byteCount)
                let reasons = completed.first?.pathReasons ?? []
                #expect(reasons.contains { $0.hasPrefix("\(lost) was lost") }, "\(reasons)")
                // What a kernel tells is not waited for.
                let isTold = lost == "relay turn-tcp"
                #expect(!isTold || !reasons.contains { $0.contains("nothing was heard") }, "\(reasons)")
            }
        }
    }
}
