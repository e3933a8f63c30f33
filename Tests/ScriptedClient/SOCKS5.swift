import Glibc
import SecureChannels
import Synchronization

// XEP-0065, written for the tests alone and apart from the program's own, with plain sockets: what both get wrong in
// the same way would go unnoticed.

/// The destination address of the candidates one party offers (XEP-0260 § 2.2).
func destinationAddress(sid: String, owner: String, other: String) -> String {
    let digits = Array("0123456789abcdef")
    return DigestAlgorithm.sha1.hash(Array((sid + owner + other).utf8))
        .reduce(into: "") { $0.append(contentsOf: [digits[Int($1 >> 4)], digits[Int($1 & 15)]]) }
}

/// A TCP connection whose calls block.
final class Connection: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Connects, within three seconds as Dino does.
    convenience init(host: String, port: UInt16) throws {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &list) == 0, let first = list?.pointee else {
            throw Failure("\(host) is not known")
        }
        defer { freeaddrinfo(list) }
        let descriptor = socket(first.ai_family, first.ai_socktype, 0)
        self.init(descriptor)
        var limit = timeval(tv_sec: 3, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard connect(descriptor, first.ai_addr, first.ai_addrlen) == 0 else {
            throw Failure("\(host):\(port) cannot be reached: error \(errno)")
        }
        limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure("writing failed with error \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    /// Reads just so many bytes.
    func read(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < count {
            let got = recv(descriptor, &buffer, min(buffer.count, count - bytes.count), 0)
            guard got > 0 else { throw Failure("after \(bytes.count) of \(count) bytes came \(got), error \(errno)") }
            bytes += buffer[..<got]
        }
        return bytes
    }

    /// All bytes until the other side ends its direction.
    func readAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let got = recv(descriptor, &buffer, buffer.count, 0)
            guard got >= 0 else { throw Failure("after \(bytes.count) bytes came error \(errno)") }
            if got == 0 { return bytes }
            bytes += buffer[..<got]
        }
    }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    // MARK: SOCKS5 (RFC 1928)

    /// Asks for a destination, and takes only the reply that Dino and Libervia take: a domain name, the one asked for.
    func ask(for destination: String) throws {
        try write([5, 1, 0])
        guard try read(2) == [5, 0] else { throw Failure("no method of authentication") }
        let name = [UInt8](destination.utf8)
        try write([5, 1, 0, 3, UInt8(name.count)] + name + [0, 0])
        let head = try read(4)
        guard head == [5, 0, 0, 3] else { throw Failure("the SOCKS5 reply starts with \(head)") }
        let reply = try read(Int(try read(1)[0]))
        _ = try read(2)
        guard reply == name else { throw Failure("the SOCKS5 reply is for another address") }
    }

    /// Takes such a question, and answers it as those do.
    func answer(to destination: String) throws {
        let head = try read(2)
        guard head[0] == 5, try read(Int(head[1])).contains(0) else { throw Failure("no SOCKS5 greeting") }
        try write([5, 0])
        guard try read(4) == [5, 1, 0, 3] else { throw Failure("no SOCKS5 request for a domain name") }
        let name = try read(Int(try read(1)[0]))
        let port = try read(2)
        guard name == [UInt8](destination.utf8), port == [0, 0] else {
            throw Failure("'\(String(decoding: name, as: UTF8.self))' port \(port) is asked for, not \(destination)")
        }
        try write([5, 0, 0, 3, UInt8(name.count)] + name + [0, 0])
    }
}

/// The IPv4 address of this host that another one sees when nothing translates it.
func ownAddress(towards host: String) throws -> String {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(9).bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard isKnown, let text = inet_ntoa(address.sin_addr) else { throw Failure("no way to \(host)") }
    return String(cString: text)
}

/// A place where one's own direct candidate is reached.
final class Listener: Sendable {
    let port: UInt16
    private let descriptor: Int32
    private let state = Mutex<(connection: Connection?, failures: [String])>((nil, []))

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard isListening else { throw Failure("nothing can listen: error \(errno)") }
    }

    deinit { close(descriptor) }

    /// Takes whoever asks for the destination, on a thread of its own until the program ends.
    func start(for destination: String) {
        onThread { [self] in
            while true {
                let connection = Connection(accept(descriptor, nil, nil))
                do {
                    try connection.answer(to: destination)
                    state.withLock { $0.connection = connection }
                } catch {
                    state.withLock { $0.failures.append("\(error)") }
                }
            }
        }
    }

    /// The last connection that asked for the right destination.
    func connection() throws -> Connection {
        let (connection, failures) = state.withLock { $0 }
        guard let connection else { throw Failure("nobody is connected to the candidate in use; \(failures)") }
        return connection
    }
}

/// Runs blocking work on a thread of its own.
func onThread(_ work: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(Box(work))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { argument in
            argument.map { Unmanaged<Box>.fromOpaque($0).takeRetainedValue() }?.work()
            return nil
        }, box.toOpaque())
    precondition(code == 0, "a thread can be started")
    pthread_detach(thread)
}

/// Waits for blocking work without holding up a task's thread.
func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        onThread { continuation.resume(with: Result { try work() }) }
    }
}

private final class Box: Sendable {
    let work: @Sendable () -> Void
    init(_ work: @escaping @Sendable () -> Void) { self.work = work }
}
