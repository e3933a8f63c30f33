internal import Glibc
internal import SecureChannels
public import Transports

/// The bytes of a ``FileSource`` on their way out: one thread reads a few blocks ahead, another hashes them.
///
/// It ends when all is read, when ``cancel()`` is called, and when it is released.
public final class FileReading: Sendable {
    private let queue: BoundedQueue<Block>
    private let hasher: FileHasher
    private let path: String

    /// How many blocks are read ahead.
    private static let blocksAhead = 4

    init(
        file: OwnedDescriptor, path: String, range: Range<UInt64>, fileByteCount: UInt64, modified: FileTime,
        algorithm: DigestAlgorithm, blocks: BlockPool
    ) throws(LocalFileError) {
        self.path = path
        let queue = BoundedQueue<Block>(limit: Self.blocksAhead)
        self.queue = queue
        let original = Original(file: file, path: path, byteCount: fileByteCount, modified: modified)
        do throws(SystemError) {
            let hasher = try FileHasher(
                file: file, available: range.lowerBound, algorithm: algorithm, pool: blocks,
                fault: { .changedWhileReading(path: path, change: $0) },
                check: { () throws(LocalFileError) in try original.check() })
            self.hasher = hasher
            let reader = Reader(original: original, range: range, queue: queue, hasher: hasher, blocks: blocks)
            do {
                try WorkerThread.start { reader.run() }
            } catch {
                hasher.cancel(.aborted(name: path))
                throw error
            }
        } catch {
            throw .failed(action: "start", path: "a thread", error: error)
        }
    }

    deinit { cancel() }

    /// Returns the next bytes, or `nil` at the end of the range.
    ///
    /// One call at a time.
    ///
    /// - Throws: `LocalFileError.changedWhileReading`, or `CancellationError` when the calling task is cancelled.
    public func next() async throws -> Block? { try await queue.next() }

    /// Returns the hash value of the whole file, whatever range of it was read; waits until all was read.
    ///
    /// - Throws: `LocalFileError.changedWhileReading`, or `CancellationError` when the calling task is cancelled.
    public func digest() async throws -> [UInt8] { try await hasher.value.value().requested }

    /// Stops reading and hashing and lets the memory go.
    public func cancel() {
        queue.abandon(throwing: .aborted(name: path))
        hasher.cancel(.aborted(name: path))
    }
}

/// What the reading thread does.
private struct Reader: Sendable {
    let original: Original
    let range: Range<UInt64>
    let queue: BoundedQueue<Block>
    let hasher: FileHasher
    let blocks: BlockPool

    func run() {
        posix_fadvise(original.file.raw, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_SEQUENTIAL)
        do throws(LocalFileError) {
            var offset = range.lowerBound
            while offset < range.upperBound {
                let block = blocks.take()
                let wanted = Int(min(UInt64(block.capacity), range.upperBound - offset))
                try original.read(wanted, at: offset, into: block)
                hasher.pass(block, at: offset)
                offset += UInt64(wanted)
                guard queue.put(block) else { return }
            }
            hasher.finish(byteCount: original.byteCount)
            try original.check()
            queue.finish()
        } catch {
            hasher.cancel(error)
            queue.finish(throwing: error)
        }
    }
}

/// The file as it was when it was offered.
private struct Original: Sendable {
    let file: OwnedDescriptor
    let path: String
    let byteCount: UInt64
    let modified: FileTime

    func read(_ wanted: Int, at offset: UInt64, into block: Block) throws(LocalFileError) {
        do {
            block.count = try file.read(
                into: UnsafeMutableRawBufferPointer(rebasing: block.storage[..<wanted]), at: offset)
        } catch {
            throw .changedWhileReading(path: path, change: .unreadable(error))
        }
        try check()
        if block.count < wanted { throw .changedWhileReading(path: path, change: .shrank) }
    }

    func check() throws(LocalFileError) {
        let status: stat
        do {
            status = try file.status()
        } catch {
            throw .changedWhileReading(path: path, change: .unreadable(error))
        }
        if UInt64(status.st_size) < byteCount { throw .changedWhileReading(path: path, change: .shrank) }
        if UInt64(status.st_size) > byteCount { throw .changedWhileReading(path: path, change: .grew) }
        if FileTime(status) != modified { throw .changedWhileReading(path: path, change: .modified) }
    }
}
