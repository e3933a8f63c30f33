internal import CLinux
internal import Glibc

/// What this side's end of a stream is joined to.
public enum StreamTarget: Sendable, Hashable {
    /// Standard input and output of this process.
    case standard
    /// A TCP port.
    case tcp(host: String, port: UInt16)
    /// A Unix socket.
    case unix(path: String)
    /// A command, run by the shell for each stream.
    case command(String)

    /// Reads `HOST:PORT`, with an IPv6 address in brackets, or `unix:PATH`; `nil` when it is neither.
    public init?(address: String) {
        if address.hasPrefix("unix:") {
            let path = String(address.dropFirst(5))
            guard !path.isEmpty, path.utf8.count < 108 else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]),
            port > 0
        else { return nil }
        var host = address[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self = .tcp(host: String(host), port: port)
    }

    /// What it is, in words.
    public var description: String {
        switch self {
        case .standard: "standard input and output"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        case .command(let command): command
        }
    }
}

extension StreamTarget {
    /// An end that is reached, and not yet read from.
    enum Reached: Sendable {
        case standard
        case socket(OwnedDescriptor, name: String)
    }

    /// How long a connection may take.
    private static let connectTimeout = timeval(tv_sec: 10, tv_usec: 0)

    /// Connects to the port or socket, or starts the command.
    func reach() async throws(LocalFileError) -> Reached {
        guard self != .standard else { return .standard }
        return try await WorkerThread.run { () throws(LocalFileError) in
            let descriptor =
                switch self {
                case .standard, .tcp: try connectTCP()
                case .unix(let path): try connectUnix(path)
                case .command(let command): try Self.start(command)
                }
            return .socket(descriptor, name: description)
        }
    }

    private func failure(_ action: String, _ code: Int32) -> LocalFileError {
        .failed(action: action, path: description, error: SystemError(code))
    }

    private func connectTCP() throws(LocalFileError) -> OwnedDescriptor {
        guard case .tcp(let host, let port) = self else { preconditionFailure("only called for TCP") }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV
        var first: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &first) == 0 else { throw .notFound(path: host) }
        defer { freeaddrinfo(first) }
        var code = ECONNREFUSED
        var next = first
        while let info = next?.pointee {
            let descriptor = OwnedDescriptor(
                socket(info.ai_family, info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), info.ai_protocol))
            if descriptor.raw >= 0, descriptor.connect(info.ai_addr, info.ai_addrlen, Self.connectTimeout) {
                var on: Int32 = 1
                setsockopt(
                    descriptor.raw, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                return descriptor
            }
            code = errno == EINPROGRESS ? ETIMEDOUT : errno
            next = info.ai_next
        }
        throw failure("connect to", code)
    }

    private func connectUnix(_ path: String) throws(LocalFileError) -> OwnedDescriptor {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let descriptor = OwnedDescriptor(
            socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                descriptor.connect($0, socklen_t(MemoryLayout<sockaddr_un>.size), Self.connectTimeout)
            }
        }
        guard isConnected else { throw failure("connect to", errno) }
        return descriptor
    }

    /// Starts a command whose standard input and output are one socket, which unlike a pipe can be given up from here.
    private static func start(_ command: String) throws(LocalFileError) -> OwnedDescriptor {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw .failed(action: "start", path: command, error: SystemError(errno))
        }
        let (own, theirs) = (OwnedDescriptor(ends[0]), OwnedDescriptor(ends[1]))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, theirs.raw, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, theirs.raw, STDOUT_FILENO)

        // This process ignores some signals and holds others back, which the command would inherit.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        // Not every library's descriptors are close-on-exec, and a connection that a command has too outlives us.
        _ = sleigh_keep_from_programs(UInt32(STDERR_FILENO + 1))
        let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw .failed(action: "start", path: command, error: SystemError(code)) }
        let child = process
        // Somebody has to wait for it; should there be no thread for that, it stays in the list until we end.
        try? WorkerThread.start {
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
        }
        return own
    }
}

extension OwnedDescriptor {
    fileprivate func connect(
        _ address: UnsafePointer<sockaddr>?, _ length: socklen_t, _ timeout: timeval
    ) -> Bool {
        var timeout = timeout
        // Linux applies it to connect(2) too.
        setsockopt(raw, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        guard Glibc.connect(raw, address, length) == 0 else { return false }
        timeout = timeval()
        setsockopt(raw, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        return true
    }
}
