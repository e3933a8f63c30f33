internal import CLinux
internal import Glibc
internal import Synchronization

/// A path whose packets arrive by callback on another thread, as from libnice's agent.
///
/// Up to `capacity` packets wait; more are dropped, as a full socket buffer would.
public final class QueuedDatagramPath: DatagramPath {
    /// Sends a batch like `DatagramPath.send`; called on the connection's thread.
    ///
    /// - Throws: ``Loss``.
    public typealias Send = @Sendable (_ batch: UnsafeRawBufferPointer, _ segmentByteCount: Int) throws(Loss) -> Int

    /// Nothing can be sent any more.
    public struct Loss: Error, Sendable {
        /// Why, as part of a sentence.
        public var why: String

        /// Creates an error.
        public init(why: String) { self.why = why }
    }

    /// Goes past the agent like `DatagramPath.takeOver`; called on the connection's thread.
    public typealias TakeOver = @Sendable (_ roundTripTime: Duration) -> DatagramPathTakeover

    /// Whether a relay carries the packets.
    public let isRelayed: Bool
    /// Readable while packets wait.
    public let readinessDescriptor: CInt
    /// Sending is tried again after a short time.
    public var signalsWritability: Bool { false }

    private let ring: Mutex<Ring>
    private let sendBatch: Send
    private let takeOverSocket: TakeOver
    private let closePath: @Sendable () -> Void
    private let lost = Mutex<String?>(nil)

    /// The packets, each in a slot of its own.
    private struct Ring: @unchecked Sendable {
        // @unchecked: the memory is reached under the mutex, or by the one receiver in slots nobody writes to.
        static let slotByteCount = 2048
        let memory: UnsafeMutableRawPointer
        var lengths: [Int]
        var head = 0
        var count = 0
        var isClosed = false

        func slot(_ index: Int) -> UnsafeMutableRawPointer {
            memory + (index % lengths.count) * Self.slotByteCount
        }
    }

    /// Creates a path.
    ///
    /// - Parameters:
    ///   - isRelayed: whether a relay carries the packets.
    ///   - capacity: how many packets may wait; each takes 2 KiB.
    ///   - send: sends a batch.
    ///   - takeOver: see `DatagramPath.takeOver`; what `deliver` is given after it has returned a path is dropped.
    ///   - close: ends the path.
    /// - Returns: `nil` when the system has no descriptor left.
    public init?(
        isRelayed: Bool, capacity: Int = 1024, send: @escaping Send,
        takeOver: @escaping TakeOver = { _ in .never },
        close: @escaping @Sendable () -> Void = {}
    ) {
        let descriptor = datagram_event_new()
        guard descriptor >= 0 else { return nil }
        self.isRelayed = isRelayed
        readinessDescriptor = descriptor
        sendBatch = send
        takeOverSocket = takeOver
        closePath = close
        let capacity = max(capacity, 16)
        ring = Mutex(
            Ring(
                memory: .allocate(byteCount: capacity * Ring.slotByteCount, alignment: 16),
                lengths: Array(repeating: 0, count: capacity)))
    }

    deinit {
        ring.withLock { $0.memory.deallocate() }
        Glibc.close(readinessDescriptor)
    }

    /// Adds a packet that has arrived; from any thread. Packets over 2048 bytes are dropped.
    public func deliver(_ packet: UnsafeRawBufferPointer) {
        guard let start = packet.baseAddress, packet.count > 0, packet.count <= Ring.slotByteCount else { return }
        let wasEmpty = ring.withLock { ring in
            guard !ring.isClosed, ring.count < ring.lengths.count else { return false }
            let index = ring.head + ring.count
            ring.slot(index).copyMemory(from: start, byteCount: packet.count)
            ring.lengths[index % ring.lengths.count] = packet.count
            ring.count += 1
            return ring.count == 1
        }
        if wasEmpty { datagram_event_raise(readinessDescriptor) }
    }

    /// Sends a batch through the closure.
    public func send(_ batch: UnsafeRawBufferPointer, segmentByteCount: Int) -> Int {
        do throws(Loss) {
            return min(max(try sendBatch(batch, segmentByteCount), 0), batch.count)
        } catch {
            lost.withLock { $0 = error.why }
            return batch.count
        }
    }

    /// Why the closure can send nothing any more.
    public var loss: String? { lost.withLock { $0 } }

    /// Hands over the packets that wait now.
    public func receive(_ deliver: (UnsafeRawBufferPointer) -> Void) -> Bool {
        // Clear first: a packet that comes later raises the event again, since the ring is then empty.
        datagram_event_clear(readinessDescriptor)
        let (first, count) = ring.withLock { ($0.head, $0.count) }
        for index in first..<first + count {
            let packet = ring.withLock { ring in
                UnsafeRawBufferPointer(start: ring.slot(index), count: ring.lengths[index % ring.lengths.count])
            }
            // Outside the lock: the slot stays taken until the count goes down below.
            deliver(packet)
        }
        let left = ring.withLock { ring in
            ring.head = (ring.head + count) % ring.lengths.count
            ring.count -= count
            return ring.count
        }
        if left > 0 { datagram_event_raise(readinessDescriptor) }
        return left > 0
    }

    /// Asks the owner for a path past the agent.
    public func takeOver(roundTripTime: Duration) -> DatagramPathTakeover {
        let answer = takeOverSocket(roundTripTime)
        if case .done = answer { ring.withLock { $0.isClosed = true } }
        return answer
    }

    /// Takes no more packets and tells the owner.
    public func close() {
        ring.withLock { $0.isClosed = true }
        closePath()
    }
}
