import CLinux
import Glibc
import SecureChannels
import Synchronization
import Transports

/// A UDP socket on loopback, and its address.
struct LoopbackSocket {
    let descriptor: CInt
    let address: SocketAddress

    init?() {
        descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = descriptor
        let status = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, length) == 0 && getsockname(number, $0, &length) == 0
            }
        }
        guard status else { return nil }
        address = withUnsafeBytes(of: &name) { SocketAddress($0) }
    }
}

/// A number that several tasks see.
final class Counter: Sendable {
    private let number = Atomic(0)

    var value: Int { number.load(ordering: .relaxed) }
    func add(_ amount: Int) { number.add(amount, ordering: .relaxed) }
}

/// A path that can be cut, as by a cable or a killed peer.
final class CuttablePath: DatagramPath {
    let inner: any DatagramPath
    let isCut = Atomic(false)
    /// Whether it is known to be cut.
    let isKnownToBeCut = Atomic(false)

    init(_ inner: any DatagramPath) { self.inner = inner }

    var loss: String? { isKnownToBeCut.load(ordering: .relaxed) ? "the cable was cut" : nil }

    var isRelayed: Bool { inner.isRelayed }
    var readinessDescriptor: CInt { inner.readinessDescriptor }
    var signalsWritability: Bool { inner.signalsWritability }

    func send(_ batch: UnsafeRawBufferPointer, segmentByteCount: Int) -> Int {
        isCut.load(ordering: .relaxed) ? batch.count : inner.send(batch, segmentByteCount: segmentByteCount)
    }

    func receive(_ deliver: (UnsafeRawBufferPointer) -> Void) -> Bool {
        inner.receive { if !isCut.load(ordering: .relaxed) { deliver($0) } }
    }

    func takeOver(roundTripTime: Duration) -> DatagramPathTakeover { inner.takeOver(roundTripTime: roundTripTime) }
    func close() { inner.close() }
}

/// Stands for libnice's agent: a thread reads the socket packet by packet and hands over; sending goes packet by packet
/// and takes a few at a time. The socket can be taken out.
final class TestAgent: @unchecked Sendable {
    // @unchecked: the descriptor is constant; the flags are atomic.
    let descriptor: CInt
    let remote: SocketAddress
    let delivered = Atomic(0)
    let sent = Atomic(0)
    let isTaken = Atomic(false)
    private let stops = Atomic(false)
    private let ended = Atomic(false)
    private let path = Mutex<QueuedDatagramPath?>(nil)

    init(_ socket: LoopbackSocket, remote: SocketAddress) {
        descriptor = socket.descriptor
        self.remote = remote
    }

    func makePath(isRelayed: Bool = false, allowsTakeOver: Bool) -> QueuedDatagramPath? {
        let made = QueuedDatagramPath(
            isRelayed: isRelayed,
            send: { [self] in send($0, $1) },
            takeOver: { [self] _ in allowsTakeOver ? takeOver().map(DatagramPathTakeover.done) ?? .never : .never },
            close: { [self] in stop() })
        path.withLock { $0 = made }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(self)
        pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<TestAgent>.fromOpaque(pointer).takeRetainedValue().read()
                return nil
            }, argument.toOpaque())
        pthread_detach(thread)
        return made
    }

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 2048)
        while !stops.load(ordering: .acquiring) {
            var waiting = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
            guard poll(&waiting, 1, 5) > 0 else { continue }
            let count = recv(descriptor, &buffer, buffer.count, CInt(truncatingIfNeeded: MSG_DONTWAIT))
            guard count > 0 else { continue }
            delivered.add(1, ordering: .relaxed)
            let target = path.withLock { $0 }
            buffer.withUnsafeBytes { target?.deliver(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
        }
        path.withLock { $0 = nil }
        ended.store(true, ordering: .releasing)
    }

    private func send(_ batch: UnsafeRawBufferPointer, _ segmentByteCount: Int) -> Int {
        var offset = 0
        for _ in 0..<5 where offset < batch.count {
            let size = min(segmentByteCount, batch.count - offset)
            let packet = UnsafeRawBufferPointer(rebasing: batch[offset..<offset + size])
            let status = remote.bytes.withUnsafeBytes {
                datagram_send_segments(
                    descriptor, $0.baseAddress, socklen_t($0.count), packet.baseAddress, packet.count, packet.count)
            }
            guard status > 0 else { break }
            sent.add(1, ordering: .relaxed)
            offset += size
        }
        return offset
    }

    private func stop() { stops.store(true, ordering: .releasing) }

    private func takeOver() -> SocketDatagramPath? {
        stop()
        while !ended.load(ordering: .acquiring) { usleep(1000) }
        isTaken.store(true, ordering: .relaxed)
        return SocketDatagramPath(descriptor: dup(descriptor), remote: remote)
    }

    deinit { Glibc.close(descriptor) }
}

/// Two devices and the channels between them.
struct ChannelPair {
    let client: QUICChannel
    let server: QUICChannel

    static let alice = Result { try DeviceCertificate.generate() }
    static let bob = Result { try DeviceCertificate.generate() }

    /// Connects two channels over paths made from two loopback sockets.
    static func connect(
        options: QUICOptions = QUICOptions(), clientExpects: Fingerprint? = nil, serverExpects: Fingerprint? = nil,
        makePath: (LoopbackSocket, SocketAddress) -> (any DatagramPath)? = { socket, remote in
            SocketDatagramPath(descriptor: socket.descriptor, remote: remote)
        }
    ) async throws -> ChannelPair {
        guard let one = LoopbackSocket(), let other = LoopbackSocket(), let clientPath = makePath(one, other.address),
            let serverPath = makePath(other, one.address)
        else { throw ByteStreamError.closed("no socket") }
        let alice = try alice.get()
        let bob = try bob.get()
        async let client = QUICChannel.connect(
            role: .client, certificate: alice, peerFingerprint: clientExpects ?? bob.fingerprint, path: clientPath,
            options: options)
        async let server = QUICChannel.connect(
            role: .server, certificate: bob, peerFingerprint: serverExpects ?? alice.fingerprint, path: serverPath,
            options: options)
        return try await ChannelPair(client: client, server: server)
    }
}

extension ByteStream {
    /// Reads to the end.
    func readAll() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let block = try await read() { bytes.append(contentsOf: block.bytes) }
        return bytes
    }

    /// Writes everything in blocks of the pool.
    func writeAll(_ bytes: [UInt8], pool: BlockPool) async throws {
        var offset = 0
        while offset < bytes.count {
            let block = pool.take()
            let amount = min(block.capacity, bytes.count - offset)
            bytes.withUnsafeBytes {
                block.storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + amount]))
            }
            block.count = amount
            offset += amount
            try await write(block)
        }
    }
}

/// Content in which every eight bytes say where they are.
func numbered(_ byteCount: Int, salt: UInt64) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
        let raw = UnsafeMutableRawBufferPointer(buffer)
        for index in 0..<byteCount / 8 {
            raw.storeBytes(
                of: (UInt64(index) &+ salt) &* 0x9E37_79B9_7F4A_7C15, toByteOffset: index * 8, as: UInt64.self)
        }
        for index in byteCount / 8 * 8..<byteCount { raw[index] = UInt8(truncatingIfNeeded: index) }
        count = byteCount
    }
}
