internal import CLinux
internal import Glibc
internal import SecureChannels
internal import Transports

/// The writing thread of a sink.
final class SinkWriter: Sendable {
    let queue = BoundedQueue<Block>(limit: 4)
    let hasher: FileHasher
    /// The size of the file when all is written.
    let written = Outcome<UInt64>()

    /// After how many bytes the kernel is told to start writing to the disk, so that not everything is left to the end.
    private static let writebackByteCount: UInt64 = 16 << 20

    init(
        folder: DestinationFolder, part: PartFile, offset: UInt64, algorithm: DigestAlgorithm, blocks: BlockPool
    ) throws(LocalFileError) {
        do throws(SystemError) {
            let hasher = try FileHasher(
                file: part.file, available: offset, algorithm: algorithm, pool: blocks,
                fault: { change in
                    let error = if case .unreadable(let error) = change { error } else { SystemError(EIO) }
                    return .failed(action: "read back", path: part.path, error: error)
                })
            self.hasher = hasher
            let (queue, written) = (queue, written)
            do {
                try WorkerThread.start {
                    Self.run(folder: folder, part: part, from: offset, queue: queue, hasher: hasher, written: written)
                }
            } catch {
                hasher.cancel(.aborted(name: part.path))
                throw error
            }
        } catch {
            throw .failed(action: "start", path: "a thread", error: error)
        }
    }

    func abandon() {
        queue.finish()
        hasher.cancel(.aborted(name: "the file"))
    }

    private static func run(
        folder: DestinationFolder, part: PartFile, from start: UInt64, queue: BoundedQueue<Block>, hasher: FileHasher,
        written: Outcome<UInt64>
    ) {
        var offset = start
        var atDisk = start
        while let block = queue.take() {
            do {
                try part.file.write(block.bytes, at: offset)
            } catch {
                let error = LocalFileError.writing(part.path, folder: folder, needed: nil, error)
                queue.abandon(throwing: error)
                hasher.cancel(error)
                return written.settle(.failure(error))
            }
            hasher.pass(block, at: offset)
            offset += UInt64(block.count)
            if offset - atDisk >= writebackByteCount {
                _ = sleigh_start_writeback(part.file.raw, Int64(atDisk), Int64(offset - atDisk))
                atDisk = offset
            }
        }
        hasher.finish(byteCount: offset)
        written.settle(.success(offset))
    }
}
