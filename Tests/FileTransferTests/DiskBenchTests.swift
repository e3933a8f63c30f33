import FileTransfer
import Testing

/// Measuring a disk.
@Suite struct DiskBenchTests {
    @Test(arguments: [1, 1_000_000, 70_000_001] as [UInt64])
    func everythingIsMeasuredAndNothingStays(byteCount: UInt64) async throws {
        let folder = try TemporaryFolder()
        let result = try await DiskBench(folder: DestinationFolder(path: folder.path), byteCount: byteCount)
            .run { _, done in #expect(done <= byteCount) }
        #expect(result.byteCount == byteCount)
        for measure in [result.write, result.read, result.readAndHash, result.hash] {
            #expect(measure.duration > .zero)
        }
        #expect(result.synchronisation <= result.write.duration)
        #expect(try folder.names.isEmpty)
    }

    @Test func cancellationLeavesNothing() async throws {
        let folder = try TemporaryFolder()
        let bench = DiskBench(folder: try DestinationFolder(path: folder.path), byteCount: 1 << 30)
        let (steps, step) = AsyncStream.makeStream(of: Void.self)
        let task = Task { try await bench.run { _, done in if done > 0 { step.yield() } } }
        for await _ in steps { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try folder.names.isEmpty)
    }
}
