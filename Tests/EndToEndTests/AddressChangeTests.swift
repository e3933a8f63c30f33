import Foundation
import Testing

extension EndToEnd {
    /// A host that gets another address: both the path of a transfer and the stream to the server are gone.
    @Suite("Another address")
    struct AddressChanges {
        /// A file, both directions of a pipe and a forwarded connection go on, each on its own, and nobody has to do anything.
        @Test func transfersGoOn() async throws {
            try await World.with(.veth, server: ["--module", "smacks"]) { world in
                let file = try world.makeFile(byteCount: 6 << 20)
                let streams = [
                    try world.makeFile(named: "there", byteCount: 3_000_001),
                    try world.makeFile(named: "back", byteCount: 2_000_003),
                ]
                let got = ["there.got", "back.got"].map { world.folder.appending(path: $0) }
                // What is read from a file has a middle: the rest comes later.
                let gate = world.folder.appending(path: "gate")
                func slow(_ file: URL) -> String {
                    "{ head -c 1000000 \(file.path); until [ -e \(gate.path) ]; do sleep 0.05; done; "
                        + "tail -c +1000001 \(file.path); }"
                }
                let server = try await world.digestServer(on: .b, at: "7001")
                let forwarder = try await world.forwardListener(
                    ["--allow", "127.0.0.1:7001", "--resource", "ports", "-v"])
                let client = try await world.forward(["-L", "8001:127.0.0.1:7001", "-v"])
                let connection = try world.shell(on: .a, "\(slow(file)) | nc -N 127.0.0.1 8001")
                let listener = try await world.pipeListener(
                    ["-v"], script: "\(slow(streams[1])) | \"$@\" >\(got[0].path); exit ${PIPESTATUS[1]}", as: "carol")
                let opener = try world.pipe(
                    ["-v", "--path", "udp"],
                    script: "\(slow(streams[0])) | \"$@\" >\(got[1].path); exit ${PIPESTATUS[1]}",
                    to: "carol@sleigh.test")
                for file in got { try await world.waitForBytes(1_000_000, in: file) }
                let receiver = try await world.receiver(["-v", "--yes", "--once"])
                let sender = try world.sender(of: [file], ["-v", "--limit", "1M"])
                try await world.waitForPart(of: file, from: sender, byteCount: 300_000)
                try await world.readdress(.a, to: "10.0.3.3/24")
                try Data().write(to: gate)

                let sent = try await sender.exit(within: .seconds(120))
                try #require(sent.status == 0, "\(sent.messages) \(receiver.messages)")
                let answered = try await connection.exit(within: .seconds(120))
                #expect(answered.output == (try await world.digest(of: file)), "\(client.messages)")
                #expect(client.isRunning && forwarder.isRunning && server.isRunning, "\(forwarder.messages)")
                #expect(client.messages.contains("stream resumed"), "\(client.messages)")
                let received = try await receiver.exit()
                let opened = try await opener.exit(within: .seconds(120))
                let listened = try await listener.exit()
                for exit in [received, opened, listened] { #expect(exit.status == 0, "\(exit.messages)") }
                world.expectReceived(file)
                #expect(try sent.completed.first?.transferredByteCount == 6 << 20)
                for (file, got) in zip(streams, got) {
                    #expect(FileManager.default.contentsEqual(atPath: file.path, andPath: got.path), "\(got.path)")
                }
                for exit in [sent, received, opened, listened] {
                    #expect(exit.messages.contains("Looking for another"), "\(exit.messages)")
                }
                for exit in [sent, opened] {
                    #expect(exit.messages.contains("XMPP server was lost"), "\(exit.messages)")
                    #expect(exit.messages.contains("stream resumed"), "\(exit.messages)")
                }
                for exit in [received, listened] {
                    #expect(!exit.messages.contains("XMPP server was lost"), "\(exit.messages)")
                }
            }
        }

        /// Whoever is interrupted does not wait for a server that may come back.
        @Test func interruptionNeedsNoServer() async throws {
            try await World.with(.veth, server: ["--module", "smacks"]) { world in
                let file = try world.makeFile(byteCount: 8 << 20)
                let receiver = try await world.receiver(["-v", "--yes", "--once"])
                let sender = try world.sender(of: [file], ["-v", "--limit", "500k"])
                try await world.waitForPart(of: file, from: sender, byteCount: 300_000)
                try await world.stopServer()
                for program in [sender, receiver] {
                    try await wait(for: "loss of the stream") {
                        program.messages.contains("XMPP server was lost") || !program.isRunning
                    }
                }
                for program in [sender, receiver] { program.signal(SIGINT) }
                for program in [sender, receiver] {
                    #expect(try await program.exit(within: .seconds(30)).status == 130, "\(program.messages)")
                }
            }
        }

        /// Nothing but the stream carries the bytes, and they go on with it.
        @Test func inBandGoesOn() async throws {
            try await World.with(.veth, server: ["--module", "smacks"]) { world in
                let file = try world.makeFile(byteCount: 4 << 20)
                let receiver = try await world.receiver(["-v", "--yes", "--once"])
                let sender = try world.sender(of: [file], ["-v", "--limit", "500k", "--path", "in-band"])
                try await world.waitForPart(of: file, from: sender, byteCount: 300_000)
                try await world.readdress(.a, to: "10.0.3.3/24")
                let sent = try await sender.exit(within: .seconds(60))
                try #require(sent.status == 0, "\(sent.messages) \(receiver.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(file)
                #expect(sent.messages.contains("stream resumed"), "\(sent.messages)")
                #expect(!sent.messages.contains("Looking for another"), "\(sent.messages)")
            }
        }
    }
}
