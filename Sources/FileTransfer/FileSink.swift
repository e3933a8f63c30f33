internal import Glibc
internal import SecureChannels
internal import Synchronization
public import Transports

/// A file on its way in: one thread writes its part, another hashes it, until it is verified and gets its name.
///
/// Call ``write(_:)`` for each block, then ``finish(expecting:)``; or ``abort()`` at any point, always if anything throws.
/// A sink that is just released stops, too, and keeps its part.
public final class FileSink: Sendable {
    /// How the part came to be.
    public enum Start: Sendable, Hashable {
        /// There was none.
        case fresh
        /// It holds the start of this file from an earlier transfer.
        case resumed(byteCount: UInt64)
        /// There was one that could not be continued.
        case startedOver(StartOverReason)
    }

    /// Why a part could not be continued.
    public enum StartOverReason: Sendable, Hashable {
        /// The file system does not keep extended attributes, so that nobody knows whose part it is.
        case folderKeepsNoAttributes
        /// The peer does not say how large the file is.
        case sizeUnknown
        /// The part is longer than the file.
        case longerThanOffered
    }

    /// What remains of an aborted transfer.
    public enum Remainder: Sendable, Hashable {
        /// Nothing.
        case nothing
        /// A part of so many bytes at that path, which the next offer of the same file continues if `isResumable`.
        case part(path: String, byteCount: UInt64, isResumable: Bool)
        /// The file itself: it was finished before.
        case file
    }

    /// The safe name the finished file has if that is free.
    public let name: LocalFileName
    /// Where the part is.
    public var partPath: String { part.path }
    /// How the part came to be.
    public var start: Start { part.start }
    /// Whether a later offer of the same file can continue the part.
    public var isResumable: Bool { part.isResumable }

    private enum State {
        case ready
        case writing(SinkWriter)
        case finished
        case aborted(Remainder)
    }

    private struct Progress {
        var state = State.ready
        var offset: UInt64
    }

    private let folder: DestinationFolder
    private let part: PartFile
    private let offer: FileOffer
    private let existing: ExistingFile
    private let algorithm: DigestAlgorithm
    private let blocks: BlockPool
    private let progress: Mutex<Progress>

    init(
        folder: DestinationFolder, name: LocalFileName, part: PartFile, offer: FileOffer, existing: ExistingFile,
        algorithm: DigestAlgorithm, blocks: BlockPool
    ) throws(LocalFileError) {
        self.folder = folder
        self.name = name
        self.part = part
        self.offer = offer
        self.existing = existing
        self.algorithm = algorithm
        self.blocks = blocks
        progress = Mutex(Progress(offset: part.byteCount))
        try makeRoom(from: part.byteCount)
    }

    deinit {
        if case .writing(let writer) = progress.withLock({ $0.state }) { writer.abandon() }
    }

    /// Where the peer is to continue: how many bytes are there already.
    public var offset: UInt64 { progress.withLock { $0.offset } }

    /// Starts from another place than ``offset``, if the peer does; before the first block.
    ///
    /// - Parameter offset: at most the current offset; what lies behind it is cut off.
    /// - Throws: `failed`, or `wrongSize` if bytes would be missing.
    public func begin(at offset: UInt64) throws(LocalFileError) {
        let before = self.offset
        guard offset != before else { return }
        guard offset < before else {
            throw .wrongSize(name: name.string, offered: offset, received: before)
        }
        do {
            try part.truncate(to: offset)
        } catch {
            throw .failed(action: "cut", path: part.path, error: error)
        }
        progress.withLock { progress in
            guard case .ready = progress.state else { preconditionFailure("begin(at:) comes before the first block") }
            progress.offset = offset
        }
        try makeRoom(from: offset)
    }

    /// Queues a block to be written behind the ones before; returns as soon as the queue has room.
    ///
    /// One call at a time. The block must not be changed afterwards.
    ///
    /// - Throws: `moreThanOffered`; `noSpace`, `quotaExceeded`, `tooLarge` or `failed` if an earlier block could not be
    ///   written; `CancellationError` when the calling task is cancelled, the block is then not written.
    public func write(_ block: Block) async throws {
        let writer = try writer()
        let count = UInt64(block.count)
        guard count > 0 else { return }
        if let size = offer.byteCount, count > size - offset {
            throw LocalFileError.moreThanOffered(name: name.string, offered: size)
        }
        try await writer.queue.send(block)
        progress.withLock { $0.offset += count }
    }

    /// Waits until everything is written and hashed.
    ///
    /// Afterwards no more blocks are taken.
    ///
    /// - Returns: the SHA-256 digest of the whole file.
    /// - Throws: `wrongSize` if bytes are missing, the errors of ``write(_:)``, `CancellationError`.
    public func digest() async throws -> [UInt8] { try await digests().sha256 }

    private func digests() async throws -> FileDigest {
        let writer = try writer()
        writer.queue.finish()
        let byteCount = try await writer.written.value()
        if let size = offer.byteCount, byteCount != size {
            throw LocalFileError.wrongSize(name: name.string, offered: size, received: byteCount)
        }
        return try await writer.hasher.value.value()
    }

    /// Completes the file: all written, verified, on the disk, and under its name.
    ///
    /// A file whose digest is wrong is deleted, since every attempt to continue it would fail like this one.
    ///
    /// - Parameter expected: the digest the peer gave, by the function named at the start, or `nil` if it gave none; then
    ///   only the size is checked.
    /// - Throws: `wrongDigest`, `noFreeName`, `exists`, and the errors of ``digest()``.
    public func finish(expecting expected: [UInt8]?) async throws -> ReceivedFile {
        let received = try await digests()
        if let expected, expected != received.requested {
            discard()
            throw LocalFileError.wrongDigest(
                name: name.string, expected: hexadecimal(expected), received: hexadecimal(received.requested))
        }
        let (folder, part, name, existing) = (folder, part, name, existing)
        let final = try await WorkerThread.run { () throws(LocalFileError) in
            try folder.publish(part, as: name, existing: existing)
        }
        progress.withLock { $0.state = .finished }
        return ReceivedFile(
            name: final, path: folder.pathOf(final), byteCount: offset, sha256: received.sha256,
            isVerified: expected != nil)
    }

    /// Gives up: writes what was queued, and keeps the part for the next attempt unless it is empty.
    ///
    /// May be called more than once, and after anything. Works in a cancelled task.
    @discardableResult
    public func abort() async -> Remainder {
        switch progress.withLock({ $0.state }) {
        case .finished: return .file
        case .aborted(let remainder): return remainder
        case .ready: break
        case .writing(let writer):
            writer.queue.finish()
            _ = try? await writer.written.valueDespiteCancellation()
            writer.hasher.cancel(.aborted(name: name.string))
        }
        let (folder, part) = (folder, part)
        let kept = try? await WorkerThread.run { () throws(LocalFileError) in
            defer { part.unlock() }
            guard let size = (try? part.file.status())?.st_size, size > 0 else {
                folder.remove(part.name)
                return UInt64(0)
            }
            // Lets go of the space reserved behind the end.
            try? part.truncate(to: UInt64(size))
            return UInt64(size)
        }
        let remainder: Remainder =
            if let kept, kept > 0 {
                .part(path: part.path, byteCount: kept, isResumable: part.isResumable)
            } else { .nothing }
        progress.withLock { $0.state = .aborted(remainder) }
        return remainder
    }

    private func discard() {
        folder.remove(part.name)
        progress.withLock { $0.state = .aborted(.nothing) }
    }

    /// Checks and reserves the space for the rest of the file.
    private func makeRoom(from offset: UInt64) throws(LocalFileError) {
        guard let size = offer.byteCount else { return }
        guard size <= UInt64(Int64.max) else { throw .tooLarge(name: name.string) }
        let needed = size - min(size, part.allocatedByteCount(above: offset))
        let free = try folder.freeByteCount()
        if needed > free { throw .noSpace(folder: folder.path, needed: needed, free: free) }
        do {
            try part.reserve(offset..<size)
        } catch {
            try? part.truncate(to: offset)
            throw .writing(part.path, folder: folder, needed: needed, error)
        }
    }

    /// The threads; started by the first block, or by the end of an empty file.
    private func writer() throws(LocalFileError) -> SinkWriter {
        let (folder, part, algorithm, blocks) = (folder, part, algorithm, blocks)
        let name = name.string
        let result = progress.withLock { progress -> Result<SinkWriter, LocalFileError> in
            switch progress.state {
            case .writing(let writer): return .success(writer)
            case .finished, .aborted: return .failure(.aborted(name: name))
            case .ready:
                let offset = progress.offset
                let result = Result { () throws(LocalFileError) in
                    try SinkWriter(folder: folder, part: part, offset: offset, algorithm: algorithm, blocks: blocks)
                }
                if case .success(let writer) = result { progress.state = .writing(writer) }
                return result
            }
        }
        return try result.get()
    }
}
