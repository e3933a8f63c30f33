internal import Glibc
package import Jingle
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Listens at a TCP port or a Unix socket of this host.
///
/// Dropping the last reference ends it.
package final class SocketListener: Sendable {
    /// A connection that came.
    package struct Arrival: Sendable {
        /// The connection.
        package var stream: SocketStream
        /// Where it comes from, for a person to read.
        package var origin: String
    }

    /// How many connections may wait to be accepted, beside those that wait in the kernel.
    private static let waitingLimit = 256

    /// Where it listens; with the port that the system chose, if any would do.
    package let address: ForwardAddress
    private let arrivals: Handover<Arrival>
    private let channels: [any Channel]
    private let isClosed = Atomic(false)

    private init(address: ForwardAddress, arrivals: Handover<Arrival>, channels: [any Channel]) {
        self.address = address
        self.arrivals = arrivals
        self.channels = channels
    }

    deinit { close() }

    /// Begins to listen: at all loopback addresses for `localhost`, at all addresses for `*`, else at the one named. Only
    /// this user can use a Unix socket.
    ///
    /// - Throws: ``SocketError``.
    package static func listen(
        at address: ForwardAddress, budget: BlockBudget
    ) async throws(SocketError) -> SocketListener {
        let arrivals = Handover<Arrival>(limit: waitingLimit)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let origin = channel.remoteAddress?.text ?? "a Unix socket"
                    let stream = try SocketStream.takeOver(channel, budget: budget)
                    if !arrivals.put(Arrival(stream: stream, origin: origin)) { stream.reset(code: 0) }
                }
            }
        do {
            switch address {
            case .unix(let path):
                let channel = try await bootstrap.withBoundSocket(try boundUnixSocket(path)).get()
                return SocketListener(address: address, arrivals: arrivals, channels: [channel])
            case .tcp(let host, let port):
                let channels = try await listen(bootstrap, host: host, port: Int(port))
                let chosen = channels.first?.localAddress?.port ?? Int(port)
                return SocketListener(
                    address: .tcp(host: host, port: UInt16(clamping: chosen)), arrivals: arrivals, channels: channels)
            }
        } catch {
            throw SocketError(error)
        }
    }

    private static func listen(_ bootstrap: ServerBootstrap, host: String, port: Int) async throws -> [any Channel] {
        switch host.lowercased() {
        case "*":
            do {
                return [try await bootstrap.bind(host: "::", port: port).get()]
            } catch let error as IOError where error.errnoCode != EADDRINUSE {
                return [try await bootstrap.bind(host: "0.0.0.0", port: port).get()]
            }
        case "localhost":
            let first = try await bootstrap.bind(host: "127.0.0.1", port: port).get()
            do {
                let second = try await bootstrap.bind(host: "::1", port: first.localAddress?.port ?? port).get()
                return [first, second]
            } catch let error as IOError where port != 0 && error.errnoCode == EADDRINUSE {
                first.close(promise: nil)
                throw error
            } catch {
                // A host without IPv6.
                return [first]
            }
        default: return [try await bootstrap.bind(host: host, port: port).get()]
        }
    }

    /// A socket that only this user can connect to. What a listener has left that is gone is removed.
    private static func boundUnixSocket(_ path: String) throws(SocketError) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw SocketError("the path is too long")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SocketError(code: errno) }
        // The socket in the file system gets this mode, without a moment in which it has another.
        fchmod(descriptor, 0o600)
        func call(_ body: (CInt, UnsafePointer<sockaddr>?, socklen_t) -> CInt, _ descriptor: CInt) -> CInt {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        if call(Glibc.bind, descriptor) == 0 { return descriptor }
        if errno == EADDRINUSE {
            // A file that is no socket refuses connections too.
            var info = stat()
            let isSocket = lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFSOCK
            let probe = socket(
                AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            let isAbandoned = isSocket && call(Glibc.connect, probe) != 0 && errno == ECONNREFUSED
            Glibc.close(probe)
            if isAbandoned, unlink(path) == 0, call(Glibc.bind, descriptor) == 0 { return descriptor }
            errno = EADDRINUSE
        }
        let error = SocketError(code: errno)
        Glibc.close(descriptor)
        throw error
    }

    /// Waits for the next connection.
    ///
    /// - Throws: ``SocketError`` when it is closed, `CancellationError`.
    package func accept() async throws -> Arrival { try await arrivals.next() }

    /// Ends it. Connections that came go on.
    package func close() {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        // First, as somebody else may listen there as soon as the channel is closed.
        if case .unix(let path) = address { unlink(path) }
        for channel in channels { channel.close(promise: nil) }
        arrivals.finish(throwing: SocketError("it is closed"))
    }
}
