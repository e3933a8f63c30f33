internal import SecureChannels
internal import Transports

/// The hash values of a file.
struct FileDigest: Sendable {
    /// What names the file to people.
    var sha256: [UInt8]
    /// By the function that was asked for, which may be another.
    var requested: [UInt8]
}

/// Computes the hash values of a whole file on a thread of its own while the file is being read or written elsewhere.
///
/// It is shown each block as it passes. Blocks that continue where it stands it hashes from memory; whatever it has not
/// been shown (what was there before a resumed transfer) it reads from the file, and so catches up without holding
/// anybody back.
final class FileHasher: @unchecked Sendable {
    // @unchecked: every variable is only touched with the lock held.

    /// The hash values, once ``finish(byteCount:)`` was called and everything is hashed.
    let value = Outcome<FileDigest>()

    private let file: OwnedDescriptor
    private let fault: @Sendable (SourceChange) -> LocalFileError
    private let limit: Int
    private let check: @Sendable () throws(LocalFileError) -> Void
    private let lock = ThreadLock()

    /// Up to where bytes are hashed, or claimed from the file by the thread, or queued.
    private var position: UInt64 = 0
    /// Up to where bytes can be read from the file.
    private var available: UInt64
    private var queue: [Block] = []
    private var isFinished = false
    private var isCancelled = false

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - algorithm: a function to compute beside SHA-256, or that.
    ///   - available: how many bytes of the file are there already and will not change.
    ///   - limit: how many blocks may wait to be hashed.
    ///   - fault: the error to report when the file cannot be read as it should.
    ///   - check: run after the last byte; says whether what was read from the file can be trusted.
    init(
        file: OwnedDescriptor, available: UInt64, algorithm: DigestAlgorithm, pool: BlockPool, limit: Int = 4,
        fault: @escaping @Sendable (SourceChange) -> LocalFileError,
        check: @escaping @Sendable () throws(LocalFileError) -> Void = {}
    ) throws(SystemError) {
        self.file = file
        self.fault = fault
        self.available = available
        self.limit = limit
        self.check = check
        try WorkerThread.start { self.run(algorithm, pool) }
    }

    /// Shows the next block of the file, which can also be read from the file at `offset` by now.
    ///
    /// Blocks the calling thread while as many blocks as allowed are waiting to be hashed.
    func pass(_ block: Block, at offset: UInt64) {
        lock.withLock {
            if position == offset {
                while queue.count >= limit, !isCancelled { lock.wait() }
                guard !isCancelled else { return }
                queue.append(block)
                position += UInt64(block.count)
            }
            available = offset + UInt64(block.count)
            lock.announce()
        }
    }

    /// Says that the file has this many bytes, all of which can be read.
    func finish(byteCount: UInt64) {
        lock.withLock {
            available = byteCount
            isFinished = true
            lock.announce()
        }
    }

    /// Gives up; the value becomes an error unless it is there already.
    func cancel(_ error: LocalFileError) {
        lock.withLock {
            isCancelled = true
            queue = []
            lock.announce()
        }
        value.settle(.failure(error))
    }

    private enum Step {
        case hash(Block)
        case read(from: UInt64, count: Int)
        case end
    }

    private func run(_ algorithm: DigestAlgorithm, _ pool: BlockPool) {
        var digest = Digest(.sha256)
        var requested = algorithm == .sha256 ? nil : Digest(algorithm)
        while true {
            switch nextStep(largest: pool.blockByteCount) {
            case .hash(let block)?:
                digest.update(block.bytes)
                requested?.update(block.bytes)
            case .read(let offset, let count)?:
                let block = pool.take()
                let storage = UnsafeMutableRawBufferPointer(rebasing: block.storage[..<count])
                do {
                    block.count = try file.read(into: storage, at: offset)
                } catch {
                    return cancel(fault(.unreadable(error)))
                }
                if block.count < count {
                    return cancel(fault(.shrank))
                }
                digest.update(block.bytes)
                requested?.update(block.bytes)
            case .end?:
                let sha256 = digest.value()
                let hash = FileDigest(sha256: sha256, requested: requested?.value() ?? sha256)
                return value.settle(
                    Result { () throws(LocalFileError) in
                        try check()
                        return hash
                    })
            case nil:
                return
            }
        }
    }

    /// Waits for something to do; `nil` when cancelled.
    private func nextStep(largest: Int) -> Step? {
        lock.withLock {
            while true {
                if isCancelled { return nil }
                if !queue.isEmpty {
                    lock.announce()
                    return .hash(queue.removeFirst())
                }
                if position < available {
                    let offset = position
                    let count = Int(min(UInt64(largest), available - position))
                    position += UInt64(count)
                    return .read(from: offset, count: count)
                }
                if isFinished { return .end }
                lock.wait()
            }
        }
    }
}
