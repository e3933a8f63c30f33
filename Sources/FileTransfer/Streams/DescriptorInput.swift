internal import Glibc
internal import Transports

/// What a program writes into a pipe, a socket, a terminal: one thread reads it.
final class DescriptorInput: Sendable {
    /// How many blocks may be between the program and the peer: 16 MiB.
    static let blockCount = 64

    private let queue = BoundedQueue<Block>(limit: 4)
    private let allowance: BlockAllowance

    /// Begins to read.
    ///
    /// - Parameter name: what it is, for messages.
    init(
        _ descriptor: OwnedDescriptor, name: String, allowance: BlockAllowance? = nil
    ) throws(LocalFileError) {
        let allowance = allowance ?? BlockAllowance(blockCount: Self.blockCount)
        self.allowance = allowance
        let reader = Reader(descriptor: descriptor, name: name, queue: queue, allowance: allowance)
        do {
            try WorkerThread.start { reader.run() }
        } catch {
            throw .failed(action: "start", path: "a thread", error: error)
        }
    }

    deinit { stop() }

    /// Returns the next bytes, `nil` at the end or once it was stopped.
    ///
    /// - Throws: `LocalFileError`, `CancellationError`.
    func next() async throws -> Block? { try await queue.next() }

    /// Reads no more, and closes the descriptor as soon as a read that waits has returned.
    func stop() {
        queue.abandon()
        allowance.close()
    }

    private struct Reader: Sendable {
        let descriptor: OwnedDescriptor
        let name: String
        let queue: BoundedQueue<Block>
        let allowance: BlockAllowance

        func run() {
            do throws(SystemError) {
                while let block = allowance.take() {
                    let isEnd = try descriptor.readWhatIsThere(into: block)
                    guard block.count == 0 || queue.put(block) else { return }
                    if isEnd { break }
                }
                queue.finish()
            } catch {
                queue.finish(throwing: .failed(action: "read", path: name, error: error))
            }
        }
    }
}

extension OwnedDescriptor {
    /// Waits for bytes, and fills the block with all that can be had without waiting again.
    ///
    /// - Returns: whether the end was reached. A terminal tells that only once.
    fileprivate func readWhatIsThere(into block: Block) throws(SystemError) -> Bool {
        repeat {
            let count = Glibc.read(
                raw, block.storage.baseAddress.map { $0 + block.count }, block.capacity - block.count)
            if count == 0 { return true }
            if count > 0 {
                block.count += count
            } else if errno == EAGAIN {
                wait(for: POLLIN)
            } else if errno != EINTR {
                // What has come before is not lost; the next attempt fails again.
                if block.count > 0 { return false }
                throw SystemError(errno)
            }
        } while block.count == 0 || block.count < block.capacity && isReadable
        return false
    }

    private var isReadable: Bool {
        var entry = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// Waits for a descriptor that somebody has made non-blocking.
    func wait(for event: Int32) {
        var entry = pollfd(fd: raw, events: Int16(event), revents: 0)
        poll(&entry, 1, -1)
    }
}
