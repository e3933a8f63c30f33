internal import Glibc

/// An open terminal on which a question is asked, and a way to end the waiting for its answer.
final class TTY: Sendable {
    let descriptor: Int32
    private let wakeReader: Int32
    private let wakeWriter: Int32

    /// The longest answer in bytes; what the kernel lets one type on a line.
    private static let longestLine = 4096

    init(path: String) throws(PromptError) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .noTerminal }
        var ends: [Int32] = [-1, -1]
        guard isatty(descriptor) == 1, pipe(&ends) == 0 else {
            close(descriptor)
            throw .noTerminal
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        self.descriptor = descriptor
        wakeReader = ends[0]
        wakeWriter = ends[1]
    }

    deinit {
        close(descriptor)
        close(wakeReader)
        close(wakeWriter)
    }

    /// Ends the current or next ``readLine()`` with `woken`.
    func wake() {
        var byte: UInt8 = 0
        _ = Glibc.write(wakeWriter, &byte, 1)
    }

    /// Forgets keys pressed before the question could be read: they answered something else.
    func discardTypedAhead() { tcflush(descriptor, TCIFLUSH) }

    func write(_ text: String) {
        Terminal(descriptor: descriptor).write(text)
    }

    /// Waits for a line and returns it without its end.
    func readLine() throws(PromptError) -> String {
        var line = [UInt8](repeating: 0, count: Self.longestLine)
        var count = 0
        defer {
            // It may have been a password.
            line.withUnsafeMutableBytes { memory in
                if let start = memory.baseAddress { explicit_bzero(start, memory.count) }
            }
        }
        while count < line.count {
            try awaitInput()
            let more = line.withUnsafeMutableBytes { memory in
                read(descriptor, memory.baseAddress.map { $0 + count }, memory.count - count)
            }
            if more < 0, errno == EINTR || errno == EAGAIN { continue }
            guard more > 0 else { throw .ended }
            count += more
            if line[count - 1] == UInt8(ascii: "\n") {
                count -= 1
                break
            }
        }
        return String(decoding: line[..<count], as: UTF8.self)
    }

    private func awaitInput() throws(PromptError) {
        var waiting = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&waiting, nfds_t(waiting.count), -1) < 0 {
            guard errno == EINTR else { throw .ended }
        }
        if waiting[1].revents != 0 { throw .woken }
    }
}

/// A thread that waits for one answer.
enum PromptThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Runs a closure on a thread of its own; on the calling one if there can be no other.
    static func start(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        if code == 0 {
            pthread_detach(thread)
        } else {
            box.takeRetainedValue().run()
        }
    }
}
