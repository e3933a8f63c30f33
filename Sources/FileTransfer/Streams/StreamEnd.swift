internal import Glibc
internal import Transports

/// This side's end of a stream, in use: both directions with a thread each.
final class StreamEnd: Sendable {
    /// `nil` where standard input goes nowhere, or nothing comes to standard output.
    private let input: DescriptorInput?
    private let output: DescriptorOutput?
    /// Kept to wake the threads that wait for it.
    private let socket: OwnedDescriptor?

    /// Begins to read. From then on standard input and output are this stream's alone, and lead nowhere for anybody else; the
    /// one that a stream in one direction does not use is ended at once.
    init(_ target: StreamTarget.Reached, _ flow: StreamFlow = .both) throws(LocalFileError) {
        switch target {
        case .standard:
            let (standardInput, standardOutput) = (
                try Self.takeOver(STDIN_FILENO, "standard input"), try Self.takeOver(STDOUT_FILENO, "standard output")
            )
            input = flow == .incoming ? nil : try DescriptorInput(standardInput, name: "standard input")
            output =
                flow == .outgoing
                ? nil : try DescriptorOutput(standardOutput, name: "standard output", isSocket: false)
            socket = nil
        case .socket(let descriptor, let name):
            input = try DescriptorInput(descriptor, name: name)
            output = try DescriptorOutput(descriptor, name: name, isSocket: true)
            socket = descriptor
        }
    }

    deinit { close() }

    /// Returns the next bytes, `nil` at the end or once reading was stopped.
    ///
    /// - Throws: `LocalFileError`, `CancellationError`.
    func next() async throws -> Block? { try await input?.next() }

    /// Reads no more: nobody takes it.
    func stopReading() {
        input?.stop()
        if let socket { shutdown(socket.raw, Int32(SHUT_RD)) }
    }

    /// Writes a block, waiting while the program is slow.
    ///
    /// - Throws: `LocalFileError` when nobody reads any more, `CancellationError`.
    func write(_ block: Block) async throws { try await output?.write(block) }

    /// Returns once all is written, and tells the program that it was all.
    ///
    /// - Throws: as `write(_:)`.
    func finish() async throws { try await output?.finish() }

    /// Gives everything up that is not finished.
    func close() {
        input?.stop()
        if let socket { shutdown(socket.raw, Int32(SHUT_RDWR)) }
    }

    /// Makes a standard descriptor ours, so that closing it is seen by whoever is at its other end.
    private static func takeOver(_ number: Int32, _ name: String) throws(LocalFileError) -> OwnedDescriptor {
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw .failed(action: "use", path: name, error: SystemError(errno)) }
        let nothing = OwnedDescriptor(open("/dev/null", O_RDWR | O_CLOEXEC))
        dup2(nothing.raw, number)
        // F_SETPIPE_SZ. For anything but a pipe it fails, and so it may for a pipe.
        _ = fcntl(copy, 1031, 1 << 20)
        return OwnedDescriptor(copy)
    }
}
