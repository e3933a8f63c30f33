import ArgumentParser
import FileTransfer
import ICE
import TerminalUI
import Transports
import XMPP

/// `sleigh bench`: measures paths, and the disk.
struct BenchCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure the paths to another host, or the disk.",
        usage: """
            sleigh bench [OPTIONS] ADDRESS
            sleigh bench --listen [OPTIONS]
            sleigh bench --disk [OPTIONS] [FOLDER]
            """,
        discussion: """
            Fills the path with bytes that are thrown away on arrival, first up (to the other host), then down, and says \
            what arrived once the path was warm: rate, round trips, losses, processor time on both sides.

              sleigh bench --listen --from me@example.org   on one host
              sleigh bench you@example.org                  on the other
            """)

    @Argument(
        help: ArgumentHelp(
            "Whom to measure with: you@example.org, or you@example.org/DEVICE. With --disk: a folder; default: this one.",
            valueName: "address"))
    var place: String?

    @Flag(help: "Wait for others to measure with this host.")
    var listen = false

    @Flag(help: "Measure what reading and writing files costs here.")
    var disk = false

    @Flag(help: "Measure every kind of path, one after the other: direct tcp and udp, relay, socks5 proxy, in-band.")
    var allPaths = false

    @Option(
        help: ArgumentHelp(
            "How long to measure the warm path, each direction: 0.5 to 600. Default: 10.", valueName: "seconds"))
    var time: Double?

    @Option(
        help: ArgumentHelp(
            "Measure with so many bytes in each direction instead, such as 100M. With --disk: the size of the file; default: 1Gi.",
            valueName: "size"))
    var size: ByteSize?

    @Option(help: ArgumentHelp("How many streams at once, over QUIC: 1 to 64. Default: 1.", valueName: "count"))
    var parallel: UInt16?

    @Flag(help: "Print comma-separated values on standard output.")
    var csv = false

    @Option(help: ArgumentHelp("Draw the rates over time into this SVG file.", valueName: "file"))
    var plot: String?

    @Flag(help: "With --listen: end after one measurement.")
    var once = false

    @OptionGroup var listening: ListeningOptions
    @OptionGroup var paths: PathOptions
    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if disk {
            let isMeasuring = allPaths || time != nil || parallel != nil || csv || plot != nil
            if listen || once || listening.isUsed || isMeasuring {
                throw ValidationError("--disk takes only --size, --json and a folder.")
            }
            return
        }
        try listening.check(
            listens: listen, address: place, purpose: "measure with", others: (["--once"], once))
        if listen, allPaths || time != nil || size != nil || parallel != nil || csv || plot != nil {
            throw ValidationError("What is measured is said on the other side: leave it out with --listen.")
        }
        if csv, output.json { throw ValidationError("Leave out --csv or --json.") }
        if time != nil, size != nil { throw ValidationError("Leave out --time or --size.") }
        if let time, !(0.5...600).contains(time) { throw ValidationError("--time is from 0.5 to 600 seconds.") }
        if let size, size.byteCount > 1 << 40 { throw ValidationError("--size is 1T at most.") }
        if let parallel, !(1...64).contains(parallel) { throw ValidationError("--parallel is from 1 to 64.") }
    }

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        do {
            if disk {
                try await measureDisk(console)
            } else if let place {
                try await measure(place, console)
            } else {
                try await wait(console)
            }
        } catch {
            throw ErrorReport.failure(for: error, direction: .measured)
        }
    }

    // MARK: The disk

    private func measureDisk(_ console: Console) async throws {
        let folder = try DestinationFolder(path: place ?? ".")
        let size = size?.byteCount ?? 1 << 30
        let bench = DiskBench(folder: folder, byteCount: size)
        let result = try await console.displaying {
            try await bench.run { step, byteCount in
                console.show(step, byteCount: byteCount, of: size)
            }
        }
        console.display.end()
        let report = DiskReport(result, folder: printable(Folders.absolute(folder.path)))
        if console.isJSON { JSONLine.print(report) } else { for line in report.lines { JSONLine.write(line: line) } }
    }

    // MARK: The side that measures

    private func measure(_ address: String, _ console: Console) async throws {
        let peer = try AccountOptions.address(address)
        if let plot { try PlotFile.check(plot) }
        let account = try options.resolve()
        let device = try Device.load()
        let loop = try ICELoop()
        let connection = try await Connection.open(
            account, device: device, resource: device.resourceForOneRun, loop: loop, policy: paths.policy,
            applications: [.bench], console: console)
        var benchOptions = BenchOptions()
        if let time { benchOptions.duration = .seconds(time) }
        benchOptions.byteCount = size?.byteCount
        benchOptions.streamCount = parallel ?? 1
        let permitted = paths.policy.allowedPaths
        let rungs =
            allPaths
            ? BenchRung.ladder.filter { !$0.paths.isDisjoint(with: permitted) }
            : [BenchRung(name: "path", paths: permitted)]
        let run = BenchRun(service: connection.service, options: benchOptions, console: console)
        let outcome = await console.displaying { await run.measure(rungs, to: peer) }
        console.display.end()
        await connection.close()
        try print(outcome.rows, console)
        if let error = outcome.error { throw error }
    }

    private func print(_ rows: [BenchRow], _ console: Console) throws(Failure) {
        let report = BenchReport(rows: rows)
        let terminal = Terminal.standardOutput
        if csv, !rows.isEmpty {
            JSONLine.write(line: BenchRow.csvHeader)
            for record in rows.flatMap(\.csvRecords) { JSONLine.write(line: record) }
        } else if !console.isJSON, !rows.isEmpty {
            let isUnicode = !terminal.isTerminal || terminal.isUnicode
            let columns = terminal.isTerminal ? terminal.columns : nil
            for line in report.lines(columns: columns, isUnicode: isUnicode) { JSONLine.write(line: line) }
            if terminal.isTerminal {
                JSONLine.write(line: "")
                for line in report.plot(columns: terminal.columns, isUnicode: isUnicode) {
                    JSONLine.write(line: line)
                }
            }
        }
        guard let plot, rows.contains(where: { !$0.result.directions.isEmpty }) else { return }
        try PlotFile.write(report.drawing, to: plot)
    }

    // MARK: The other side

    private func wait(_ console: Console) async throws {
        let acceptance = try listening.acceptance { request in
            "\(printable(request.peer.bare.description)) wants to measure the path to this host."
        }
        let service = Listening(
            account: try options.resolve(), device: try Device.load(), resource: listening.resource,
            applications: [.bench], paths: paths.policy, acceptance: acceptance.remembering(), isOnce: once,
            announcement: "What comes is thrown away.", console: console)
        let gate = Gate()
        try await service.run { request in
            guard await gate.enter() else {
                console.say("Declined \(printable(request.peer.description)): another measurement is going on.")
                return await request.declineAsBusy("another measurement is going on there")
            }
            let recorder = BenchRecorder()
            let progress = BenchProgress(console: console)
            do {
                try await request.acceptBench(into: recorder) { progress.take($0) }
            } catch {
                await gate.leave()
                console.display.end()
                throw error
            }
            await gate.leave()
            console.display.end()
            let row = BenchRow(name: "path", result: recorder.result, state: .measured)
            console.say("\(printable(request.peer.description)): \(row.summary)")
            if console.isJSON { JSONLine.print(JSONLine.Measured(row, event: "served")) }
        }
    }
}

/// Lets one measurement in at a time.
private actor Gate {
    /// The last one may not be over here when the next one of the same peer begins.
    private static let patience = Duration.seconds(5)

    private var isTaken = false

    /// Waits for a moment; whether it is our turn.
    func enter() async -> Bool {
        let end = ContinuousClock.now + Self.patience
        while isTaken {
            guard .now < end, (try? await Task.sleep(for: .milliseconds(50))) != nil else { return false }
        }
        isTaken = true
        return true
    }

    func leave() { isTaken = false }
}

extension BenchRow {
    /// What was measured, in a line.
    fileprivate var summary: String {
        let rates = result.directions.map { direction in
            let rate = direction.window.map { Format.bitRate(bytesPerSecond: $0.bytesPerSecond) }
            return "\(direction.direction.name) \(rate ?? "nothing")"
        }
        return ([path] + rates).joined(separator: ", ")
    }
}
