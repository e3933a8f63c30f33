import Foundation
import Testing

extension EndToEnd {
    /// `sleigh bench`: what a path gives.
    @Suite("Measurements")
    struct Bench {
        /// What the tests look at of a line that `--json` prints.
        private struct Row: Decodable {
            struct Direction: Decodable {
                struct RoundTrip: Decodable {
                    var source: String
                    var medianMs: Double
                }

                var direction: String
                var complete: Bool
                var streams: Int
                var warm: Bool?
                var bitsPerSecond: Double?
                var minBitsPerSecond: Double?
                var maxBitsPerSecond: Double?
                var totalBytes: Int?
                var cpuSecondsPerGib: Double?
                var peerCpuSecondsPerGib: Double?
                var sentPackets: Int?
                var loadedRoundTrip: RoundTrip?
                var samples: [[String: Double]]
            }

            var event: String
            var state: String
            var path: String
            var reasons: [String]
            var connectSeconds: Double?
            var directions: [Direction]
        }

        private static func rows(in output: String) throws -> [Row] {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try Event.all(in: output).enumerated().filter { ["measured", "served"].contains($0.element.event) }
                .map { index, _ in
                    try decoder.decode(Row.self, from: Data(output.split(separator: "\n")[index].utf8))
                }
        }

        // MARK: - Results

        @Test func pathThatWouldBeChosen() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.benchListener(["--json"])
                let drawing = world.folder.appending(path: "rates.svg")
                let exit = try await world.bench(["--time", "1", "--json", "--plot", drawing.path]).exit()
                try #require(exit.status == 0, "\(exit.messages)\(listener.messages)")
                try await world.expectValid(exit.output)
                let rows = try Self.rows(in: exit.output)
                try #require(rows.count == 1)
                #expect(rows[0].event == "measured" && rows[0].state == "measured")
                #expect(rows[0].path == "direct tcp")
                #expect(rows[0].directions.map(\.direction) == ["up", "down"])
                for direction in rows[0].directions {
                    let rate = try #require(direction.bitsPerSecond)
                    #expect(direction.complete && direction.warm == true && direction.streams == 1)
                    #expect(try #require(direction.minBitsPerSecond) <= rate)
                    #expect(try #require(direction.maxBitsPerSecond) >= rate)
                    #expect(direction.loadedRoundTrip?.source == "carrier")
                    #expect(direction.cpuSecondsPerGib != nil && direction.peerCpuSecondsPerGib != nil)
                    #expect(direction.sentPackets != nil)
                    #expect(direction.samples.count >= 3)
                }
                let lines = try String(contentsOf: drawing, encoding: .utf8).split(separator: "\n")
                #expect(lines.count { $0.contains("<polyline") } == 2)
                // The other side says what it saw, and goes on waiting.
                _ = try await listener.event("served")
                try await world.expectValid(listener.output)
                #expect(listener.isRunning)
            }
        }

        /// Several streams at once, with so many bytes, for a program that reads tables.
        @Test func severalStreams() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.benchListener(["--once"])
                let exit = try await world.bench(["--csv", "--path", "udp", "--size", "3M", "--parallel", "3"]).exit()
                try #require(exit.status == 0, "\(exit.messages)\(listener.messages)")
                #expect(try await listener.exit().status == 0, "\(listener.messages)")
                let table = exit.output.split(separator: "\n").map {
                    $0.split(separator: ",", omittingEmptySubsequences: false)
                }
                try #require(table.count == 3)
                let columns = Dictionary(uniqueKeysWithValues: table[0].enumerated().map { ($1, $0) })
                let (path, streams) = (try #require(columns["path"]), try #require(columns["streams"]))
                for (row, direction) in zip(table[1...], ["up", "down"]) {
                    #expect(row.count == table[0].count)
                    #expect(row[path] == "direct udp" && row[streams] == "3" && row.contains("\(direction)"))
                }
            }
        }

        @Test func allPaths() async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                let listener = try await world.benchListener()
                let exit = try await world.bench(["--all-paths", "--time", "0.5", "--json"])
                    .exit()
                try #require(exit.status == 0, "\(exit.messages)\(listener.messages)")
                try await world.expectValid(exit.output)
                let rows = try Self.rows(in: exit.output)
                #expect(
                    rows.map(\.path) == ["direct tcp", "direct udp", "relay turn-udp", "socks5 proxy", "in-band"],
                    "\(rows.flatMap(\.reasons))")
                for row in rows {
                    #expect(row.state == "measured" && row.connectSeconds != nil, "\(row)")
                    #expect(row.directions.count == 2)
                    #expect(row.directions.allSatisfy { $0.complete && $0.bitsPerSecond != nil }, "\(row)")
                    // Where a ping is soon answered it counts; on a busy machine none may be.
                    let source = try #require(row.directions.first?.loadedRoundTrip?.source, "\(row.path)")
                    #expect(source == "carrier" || row.path.contains("udp"), "\(row.path)")
                }
            }
        }

        /// A path that is not there is a row with its reasons; when there is no other, it is an error.
        @Test func missingPath() async throws {
            try await World.with(.lan, server: ["--no-turn"]) { world in
                let listener = try await world.benchListener()
                let both = try await world.bench(
                    ["--all-paths", "--path", "relay", "--path", "in-band", "--size", "100K", "--json"]
                ).exit()
                #expect(both.status == 0, "\(both.messages)\(listener.messages)")
                try await world.expectValid(both.output)
                let rows = try Self.rows(in: both.output)
                #expect(rows.map(\.path) == ["relay", "in-band"] && rows.map(\.state) == ["missing", "measured"])
                #expect(rows.first?.reasons.isEmpty == false)

                let one = try await world.bench(["--path", "relay"]).exit()
                #expect(one.status == 6, "\(one.messages)")
                #expect(one.output.isEmpty && one.messages.contains("no path"), "\(one.output)\(one.messages)")
            }
        }

        /// What both measure is the same, within 5 %: the emulated link gives it, and iperf3 on the same link in the same
        /// run. When other things keep the processors busy neither gets what the link gives, so there are several tries.
        @Test(arguments: ["tcp", "udp"])
        func figuresAgreeWithIperf(path: String) async throws {
            try await World.with(.link, link: ["--rate", "20", "--delay", "10"]) { world in
                let listener = try await world.benchListener()
                var tries: [[Double]] = []
                while tries.count < 6, !(tries.last?.allSatisfy { abs($0 - 1) < 0.05 } ?? false) {
                    let theirs = try await Self.iperfRate(in: world)
                    let exit = try await world.bench(["--path", path, "--time", "2", "--json"]).exit()
                    try #require(exit.status == 0, "\(exit.messages)\(listener.messages)")
                    let ours = try Self.rows(in: exit.output).flatMap(\.directions).compactMap(\.bitsPerSecond)
                    print("BENCH \(path): iperf3 \(theirs / 1e6) Mbit/s, sleigh up and down \(ours.map { $0 / 1e6 })")
                    tries.append(ours.map { $0 / theirs })
                }
                let last = try #require(tries.last)
                #expect(last.count == 2 && last.allSatisfy { abs($0 - 1) < 0.05 }, "\(tries)")
            }
        }

        /// What arrives over TCP from a at b, in bits per second.
        private static func iperfRate(in world: World) async throws -> Double {
            let server = try world.program(["iperf3", "-s", "-1", "--forceflush"], on: .b)
            try await wait(for: "iperf3") { server.output.contains("listening") || !server.isRunning }
            let client = try await world.program(["iperf3", "-c", "10.0.3.2", "-t", "2", "-O", "1", "-J"], on: .a)
                .exit()
            _ = try await server.exit()
            let report = try JSONSerialization.jsonObject(with: Data(client.output.utf8)) as? [String: Any]
            let sum = (report?["end"] as? [String: Any])?["sum_received"] as? [String: Any]
            return try #require(sum?["bits_per_second"] as? Double, "\(client.output)\(client.messages)")
        }

        // MARK: - Ends before their time

        @Test func interruption() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.benchListener()
                let bench = try world.bench(["--time", "60", "--json", "--verbose"])
                try await wait(for: "progress") { bench.messages.contains("up:") || !bench.isRunning }
                try await world.waitForTraffic(20 << 20)
                bench.signal(SIGINT)
                let exit = try await bench.exit()
                #expect(exit.status == 130, "\(exit.messages)")
                try await world.expectValid(exit.output)
                let row = try #require(try Self.rows(in: exit.output).first)
                #expect(row.state == "partial" && row.path == "direct tcp")
                #expect(row.directions.first?.complete == false)
                #expect(row.directions.first?.samples.isEmpty == false)
                // The other side is there for the next one.
                let next = try await world.bench(["--size", "1M"]).exit()
                #expect(next.status == 0, "\(next.messages)\(listener.messages)")
                #expect(next.output.contains("direct tcp"), "\(next.output)")
            }
        }

        @Test func interruptionThere() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.benchListener()
                let bench = try world.bench(["--time", "60", "--json"])
                try await wait(for: "progress") { bench.messages.contains("up:") || !bench.isRunning }
                try await world.waitForTraffic(20 << 20)
                listener.signal(SIGINT)
                let exit = try await bench.exit()
                #expect(exit.status == 7, "\(exit.messages)")
                #expect(try await listener.exit().status == 130, "\(listener.messages)")
                try await world.expectValid(exit.output)
                #expect(try Self.rows(in: exit.output).map(\.state) == ["partial"])
            }
        }

        // MARK: - Who gets in

        @Test func oneAtATime() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.benchListener()
                let first = try world.bench(["--time", "60"])
                try await wait(for: "progress") { first.messages.contains("up:") || !first.isRunning }
                let second = try await world.bench(["--size", "1M"], as: "carol").exit()
                #expect(second.status == 5, "\(second.messages)")
                #expect(second.messages.contains("another measurement"), "\(second.messages)")
                #expect(first.isRunning && listener.isRunning)
                first.signal(SIGINT)
                _ = try await first.exit()
            }
        }

        @Test func othersAreDeclined() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.benchListener(accepting: ["--from", "alice@sleigh.test"])
                let refused = try await world.bench(["--size", "1M"], as: "carol").exit()
                #expect(refused.status == 5, "\(refused.messages)")
                let taken = try await world.bench(["--size", "1M"]).exit()
                #expect(taken.status == 0, "\(taken.messages)\(listener.messages)")
            }
        }

        // MARK: - The disk

        @Test func disk() async throws {
            try await World.with(.veth) { world in
                let folder = world.folder.appending(path: "disk")
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                let exit = try await world.program(
                    [world.sleighBinary, "bench", "--disk", folder.path, "--size", "20M", "--json"], on: .a
                ).exit()
                #expect(exit.status == 0, "\(exit.messages)")
                #expect(exit.output.contains("\"event\":\"disk\""))
                try await world.expectValid(exit.output)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
            }
        }
    }
}

extension World {
    /// Starts `sleigh bench --listen` as bob on host b, and waits until it is ready.
    fileprivate func benchListener(
        _ arguments: [String] = [], accepting: [String] = ["--yes"]
    ) async throws -> Program {
        let program = try sleigh("bench", ["--listen"] + accepting + arguments, on: .b, as: "bob")
        try await wait(for: "listener") { program.messages.contains("Waiting as") || !program.isRunning }
        try #require(program.isRunning, "\(program.messages)")
        return program
    }

    /// Starts `sleigh bench` with bob, on host a.
    fileprivate func bench(_ arguments: [String], as account: String = "alice") throws -> Program {
        try sleigh("bench", ["bob@sleigh.test"] + arguments, on: .a, as: account)
    }

    /// Starts any program on a host.
    fileprivate func program(_ arguments: [String], on host: Host) throws -> Program {
        try Program(
            ["ip", "netns", "exec", prefix + host.rawValue] + arguments, named: "program-\(UUID().uuidString)",
            folder: folder)
    }

    /// Waits until host b has received so many bytes.
    fileprivate func waitForTraffic(_ byteCount: Int) async throws {
        let end = ContinuousClock.now + .seconds(90)
        while .now < end {
            let text = try await program(["ip", "-json", "-statistics", "link", "show", "eth0"], on: .b).exit().output
            let link = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
            let counts = (link?.first?["stats64"] as? [String: Any])?["rx"] as? [String: Any]
            if counts?["bytes"] as? Int ?? 0 >= byteCount { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw TimedOut(description: "no \(byteCount) bytes at b")
    }

    /// Expects that each line is as the schema says.
    fileprivate func expectValid(_ output: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let lines = folder.appending(path: "lines-\(UUID().uuidString)")
        // The last line makes sure that the schema refuses something.
        try Data((output + "{\"event\":\"measured\",\"state\":\"odd\"}\n").utf8).write(to: lines)
        let script = """
            import json, sys, jsonschema
            validator = jsonschema.Draft7Validator(json.load(open(sys.argv[1])))
            *lines, odd = map(json.loads, open(sys.argv[2]))
            for line in lines: validator.validate(line)
            assert not validator.is_valid(odd)
            """
        let schema = Self.packageFolder.appending(path: "Fixtures/bench/schema.json")
        let exit = try await Program(
            ["python3", "-c", script, schema.path, lines.path], named: "schema-\(UUID().uuidString)", folder: folder
        ).exit()
        #expect(exit.status == 0, "\(exit.messages)", sourceLocation: sourceLocation)
        #expect(!output.isEmpty, sourceLocation: sourceLocation)
    }
}
