internal import Glibc
internal import Transports

/// What a program reads from a pipe, a socket, a terminal: one thread writes it.
final class DescriptorOutput: Sendable {
    private let queue = BoundedQueue<Block>(limit: 4)
    private let written = Outcome<Void>()

    /// Makes ready to write.
    ///
    /// - Parameters:
    ///   - name: what it is, for messages.
    ///   - isSocket: whether the other direction uses the descriptor too, so that closing it does not end this one.
    init(_ descriptor: OwnedDescriptor, name: String, isSocket: Bool) throws(LocalFileError) {
        let (queue, written) = (queue, written)
        do {
            try WorkerThread.start {
                while let block = queue.take() {
                    do throws(SystemError) {
                        try descriptor.write(block.bytes)
                    } catch {
                        let error = LocalFileError.failed(action: "write to", path: name, error: error)
                        queue.abandon(throwing: error)
                        return written.settle(.failure(error))
                    }
                }
                if isSocket { shutdown(descriptor.raw, Int32(SHUT_WR)) }
                written.settle(.success(()))
            }
        } catch {
            throw .failed(action: "start", path: "a thread", error: error)
        }
    }

    deinit { queue.abandon() }

    /// Queues a block, waiting while the program is slow.
    ///
    /// - Throws: `LocalFileError` when nobody reads any more, `CancellationError`.
    func write(_ block: Block) async throws { try await queue.send(block) }

    /// Returns once all is written, and tells the program that it was all.
    ///
    /// - Throws: as `write(_:)`.
    func finish() async throws {
        queue.finish()
        try await written.value()
    }
}

extension OwnedDescriptor {
    fileprivate func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(raw, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EAGAIN {
                wait(for: POLLOUT)
            } else if errno != EINTR {
                throw SystemError(errno)
            }
        }
    }
}
