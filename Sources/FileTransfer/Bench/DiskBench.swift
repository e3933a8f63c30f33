internal import Glibc
internal import SecureChannels
internal import Transports

/// Measures what files cost in a folder, with what reads, writes and hashes them in a transfer.
public struct DiskBench: Sendable {
    /// One thing that was measured.
    public struct Measure: Sendable, Hashable {
        /// How long it took.
        public var duration: Duration
        /// The processor time of this program for it.
        public var processorTime: Duration
    }

    /// What was measured, each with the same number of bytes.
    public struct Result: Sendable, Hashable {
        /// How many bytes.
        public var byteCount: UInt64
        /// A file as it is received: reserved, written, hashed, synchronised with the disk and renamed.
        public var write: Measure
        /// How much of that was waiting for the disk at the end.
        public var synchronisation: Duration
        /// The bytes alone, from the memory in which the system keeps the file.
        public var read: Measure
        /// The file as it is sent: read and hashed.
        public var readAndHash: Measure
        /// SHA-256 of bytes in memory.
        public var hash: Measure
    }

    /// What is being measured.
    public enum Step: Sendable, Hashable { case write, read, readAndHash, hash }

    /// How much is done between two looks at whether the task was cancelled.
    private static let stride: UInt64 = 64 << 20

    private let folder: DestinationFolder
    private let byteCount: UInt64
    private let blocks = BlockPool()

    /// Prepares to measure with a file of that size, which is removed afterwards.
    public init(folder: DestinationFolder, byteCount: UInt64) {
        self.folder = folder
        self.byteCount = max(1, byteCount)
    }

    /// Measures one thing after the other.
    ///
    /// - Parameter progress: takes what is being measured, and how many bytes of it are done, from 0 on.
    /// - Throws: `LocalFileError`, `CancellationError`.
    public func run(progress: @escaping @Sendable (Step, UInt64) -> Void) async throws -> Result {
        let offer = FileOffer(sender: "", name: "sleigh-bench-\(randomIdentifier())", byteCount: byteCount)
        let filling = BenchFilling(blocks)
        progress(.write, 0)
        let stopwatch = Stopwatch()
        let sink = try await folder.receive(offer, blocks: blocks)
        let synchronisation: Duration
        let file: ReceivedFile
        do {
            var done: UInt64 = 0
            while done < byteCount {
                let count = min(byteCount - done, UInt64(BenchFilling.blockByteCount))
                try await sink.write(filling.bytes(Int(count), blocks))
                done += count
                progress(.write, done)
            }
            _ = try await sink.digest()
            let all = ContinuousClock.now
            file = try await sink.finish(expecting: nil)
            synchronisation = .now - all
        } catch {
            await sink.abort()
            unlink(sink.partPath)
            throw error
        }
        let write = stopwatch.measure
        defer { unlink(file.path) }
        return Result(
            byteCount: byteCount, write: write, synchronisation: synchronisation,
            read: try await read(file.path, progress), readAndHash: try await readAndHash(file.path, progress),
            hash: try await hash(file.path, filling, progress))
    }

    private struct Stopwatch {
        private let started = ContinuousClock.now
        private let processorTime = ProcessorTime.now

        var measure: Measure {
            Measure(duration: .now - started, processorTime: ProcessorTime.now - processorTime)
        }
    }

    private func open(_ path: String) throws(LocalFileError) -> OwnedDescriptor {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .opening(path, SystemError(errno)) }
        return OwnedDescriptor(descriptor)
    }

    private func read(_ path: String, _ progress: @Sendable (Step, UInt64) -> Void) async throws -> Measure {
        let file = try open(path)
        let blocks = blocks
        var stopwatch = Stopwatch()
        // The first time may bring it into memory.
        for _ in 0..<2 {
            stopwatch = Stopwatch()
            try await inStrides(.read, progress) { range throws(LocalFileError) in
                let block = blocks.take()
                for offset in Swift.stride(from: range.lowerBound, to: range.upperBound, by: block.capacity) {
                    do throws(SystemError) {
                        _ = try file.read(into: block.storage, at: offset)
                    } catch {
                        throw .failed(action: "read", path: path, error: error)
                    }
                }
            }
        }
        return stopwatch.measure
    }

    private func readAndHash(_ path: String, _ progress: @Sendable (Step, UInt64) -> Void) async throws -> Measure {
        let source = try FileSource(path: path)
        let stopwatch = Stopwatch()
        let reading = try source.read(blocks: blocks)
        defer { reading.cancel() }
        progress(.readAndHash, 0)
        var done: UInt64 = 0
        while let block = try await reading.next() {
            done += UInt64(block.count)
            progress(.readAndHash, done)
        }
        _ = try await reading.digest()
        return stopwatch.measure
    }

    private func hash(
        _ path: String, _ filling: BenchFilling, _ progress: @Sendable (Step, UInt64) -> Void
    ) async throws -> Measure {
        let stopwatch = Stopwatch()
        let file = try open(path)
        let hasher: FileHasher
        do throws(SystemError) {
            hasher = try FileHasher(
                file: file, available: 0, algorithm: .sha256, pool: blocks,
                fault: { .changedWhileReading(path: path, change: $0) })
        } catch {
            throw LocalFileError.failed(action: "start", path: "a thread", error: error)
        }
        defer { hasher.cancel(.aborted(name: path)) }
        let blocks = blocks
        try await inStrides(.hash, progress) { range in
            for offset in Swift.stride(from: range.lowerBound, to: range.upperBound, by: BenchFilling.blockByteCount) {
                let count = min(range.upperBound - offset, UInt64(BenchFilling.blockByteCount))
                hasher.pass(filling.bytes(Int(count), blocks), at: offset)
            }
        }
        hasher.finish(byteCount: 0)
        _ = try await hasher.value.value()
        return stopwatch.measure
    }

    /// Does something with each part of the file, on a thread of its own.
    private func inStrides(
        _ step: Step, _ progress: @Sendable (Step, UInt64) -> Void,
        _ body: @escaping @Sendable (Range<UInt64>) throws(LocalFileError) -> Void
    ) async throws {
        progress(step, 0)
        for start in Swift.stride(from: 0, to: byteCount, by: UInt64.Stride(Self.stride)) {
            try Task.checkCancellation()
            let range = start..<min(start + Self.stride, byteCount)
            try await WorkerThread.run { () throws(LocalFileError) in try body(range) }
            progress(step, range.upperBound)
        }
    }
}
