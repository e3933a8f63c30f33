package import Foundation

/// A server that a test runs on 127.0.0.1; killed when this object goes.
package final class ServerProcess: Sendable {
    /// What to start.
    package struct Plan {
        /// The program's path, and its arguments.
        package var arguments: [String]
        /// Where whatever it prints is added; it may log to this file itself.
        package var log: URL
        /// The ports that it listens at once it serves.
        package var tcpPorts: [UInt16]
        package var udpPorts: [UInt16]

        package init(_ arguments: [String], log: URL, tcpPorts: [UInt16], udpPorts: [UInt16] = []) {
            self.arguments = arguments
            self.log = log
            self.tcpPorts = tcpPorts
            self.udpPorts = udpPorts
        }
    }

    /// It does not serve: why, and the end of what it has printed.
    package struct NotServing: Error, CustomStringConvertible {
        package let description: String
    }

    /// How long a server may take until it listens. This is much, since it may have to wait for a processor; one that cannot
    /// have its port is not waited for.
    private static let patience = Duration.seconds(40)
    private static let attemptLimit = 3

    /// The ports that were kept for it.
    package let ports: Range<UInt16>
    private let plan: Plan
    private let process = Process()

    /// Starts a server and returns once it serves. If somebody has taken one of its ports meanwhile, it is started with
    /// others.
    ///
    /// - Parameter plan: is given the ports that are kept for the server.
    /// - Throws: ``NotServing``, what `plan` throws, `CancellationError`.
    package static func start(_ plan: (Range<UInt16>) throws -> Plan) async throws -> ServerProcess {
        var failures: [String] = []
        for _ in 0..<attemptLimit {
            let ports = try LoopbackPorts.row()
            let server = try ServerProcess(plan(ports), ports: ports)
            guard let failure = try await server.failure() else { return server }
            print("Starting again: \(failure)")
            failures.append(failure)
        }
        throw NotServing(description: failures.joined(separator: "\n"))
    }

    private init(_ plan: Plan, ports: Range<UInt16>) throws {
        self.plan = plan
        self.ports = ports
        // What an earlier attempt has written is no news.
        try? FileManager.default.removeItem(at: plan.log)
        // Appended to, since the server may log to the file by its name too.
        let descriptor = open(plan.log.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw NotServing(description: "\(plan.log.path) cannot be written to") }
        let output = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        process.executableURL = URL(filePath: plan.arguments[0])
        process.arguments = Array(plan.arguments.dropFirst())
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    deinit { stop() }

    /// What it has printed so far.
    package var log: String { (try? String(contentsOf: plan.log, encoding: .utf8)) ?? "" }

    /// Sends it a signal. Most that could be handled are blocked, as they are in the process of the tests.
    package func signal(_ number: Int32) {
        // Not started, its identifier would be 0, which means the whole process group.
        if process.isRunning { kill(process.processIdentifier, number) }
    }

    /// Ends it at once.
    package func stop() {
        guard process.isRunning else { return }
        signal(SIGKILL)
        process.waitUntilExit()
    }

    // MARK: Whether it serves

    /// Waits until it serves; says why it does not.
    private func failure() async throws -> String? {
        let end = ContinuousClock.now + Self.patience
        while !isServing {
            let why: String
            if !process.isRunning {
                why = "has ended"
            } else if log.localizedCaseInsensitiveContains("address already in use") {
                why = "cannot have a port"
            } else if .now > end {
                why = "does not listen after \(Self.patience)"
            } else {
                try await Task.sleep(for: .milliseconds(20))
                continue
            }
            stop()
            let end = log.split(separator: "\n").suffix(20).joined(separator: "\n")
            return "\(plan.arguments[0]) with TCP \(plan.tcpPorts) and UDP \(plan.udpPorts) \(why):\n\(end)"
        }
        return nil
    }

    private var isServing: Bool {
        let listening = sockets(in: "tcp", state: "0A")
        let bound = sockets(in: "udp", state: "07")
        return listening.isSuperset(of: plan.tcpPorts) && bound.isSuperset(of: plan.udpPorts)
    }

    /// The local ports of the sockets of this process, and of nobody else, that are in a state (proc(5), `/proc/net/tcp`).
    private func sockets(in table: String, state: String) -> Set<UInt16> {
        let folder = "/proc/\(process.processIdentifier)"
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd")) ?? []
        let own = Set(
            descriptors.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/fd/\($0)") })
        // To its end: such a file has no length, and comes a page at a time.
        let bytes = try? FileHandle(forReadingFrom: URL(filePath: "\(folder)/net/\(table)")).readToEnd()
        return Set(
            String(decoding: bytes ?? Data(), as: UTF8.self).split(separator: "\n").compactMap { line in
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == state, own.contains("socket:[\(fields[9])]") else { return nil }
                return fields[1].split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
            })
    }
}
