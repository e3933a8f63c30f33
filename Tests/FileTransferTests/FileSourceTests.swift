import Foundation
import SecureChannels
import Testing
import Transports

@testable import FileTransfer

@Suite struct FileSourceTests {
    private let folder: TemporaryFolder
    private let pool = BlockPool(blockByteCount: 4096)

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [0, 1, 4095, 4096, 4097, 100_000])
    func readsAndHashesTheWholeFile(count: Int) async throws {
        let bytes = someBytes(count)
        try folder.write(bytes, to: "file.bin")
        let source = try FileSource(path: folder.at("file.bin"))
        #expect(source.byteCount == UInt64(count))
        #expect(source.name == "file.bin")
        let reading = try source.read(blocks: pool)
        #expect(try await reading.rest() == bytes)
        #expect(try await reading.digest() == sha256(bytes))
    }

    @Test(arguments: [(0, 100_000), (1, 99_999), (50_000, 50_000), (99_999, 1), (100_000, 0)])
    func startsAnywhereAndStillHashesTheWholeFile(offset: Int, count: Int) async throws {
        let bytes = someBytes(100_000)
        try folder.write(bytes, to: "file")
        let reading = try FileSource(path: folder.at("file")).read(from: UInt64(offset), blocks: pool)
        #expect(try await reading.rest() == Array(bytes.suffix(count)))
        #expect(try await reading.digest() == sha256(bytes))
    }

    @Test func readsARangeAndStillHashesTheWholeFile() async throws {
        let bytes = someBytes(100_000)
        try folder.write(bytes, to: "file")
        let reading = try FileSource(path: folder.at("file")).read(from: 10_000, byteCount: 20_000, blocks: pool)
        #expect(try await reading.rest() == Array(bytes[10_000..<30_000]))
        #expect(try await reading.digest() == sha256(bytes))
    }

    @Test func computesOtherDigests() async throws {
        try folder.write([1, 2, 3], to: "file")
        let reading = try FileSource(path: folder.at("file")).read(algorithm: .sha1, blocks: pool)
        #expect(try await reading.digest() == DigestAlgorithm.sha1.hash([1, 2, 3]))
    }

    @Test func whatIsNoRegularFileIsRefused() throws {
        try #require(mkfifo(folder.at("pipe"), 0o600) == 0)
        for (path, kind) in [(folder.path, FileKind.folder), (folder.at("pipe"), .namedPipe), ("/dev/null", .device)] {
            #expect(throws: LocalFileError.notRegularFile(path: path, kind: kind)) { try FileSource(path: path) }
        }
        let missing = folder.at("missing")
        #expect(throws: LocalFileError.notFound(path: missing)) { try FileSource(path: missing) }
        try folder.write([], to: "file")
        let through = folder.at("file/x")
        #expect(throws: LocalFileError.notFolder(path: through)) { try FileSource(path: through) }
    }

    @Test func deletingAndRenamingDoNoHarm() async throws {
        let bytes = someBytes(100_000)
        try folder.write(bytes, to: "file")
        let source = try FileSource(path: folder.at("file"))
        let reading = try source.read(blocks: pool)
        try FileManager.default.removeItem(atPath: folder.at("file"))
        #expect(try await reading.rest() == bytes)
        #expect(try await reading.digest() == sha256(bytes))
    }

    enum Meddling: CaseIterable {
        case shrink, grow, rewrite, touch

        var change: SourceChange {
            switch self {
            case .shrink: .shrank
            case .grow: .grew
            case .rewrite, .touch: .modified
            }
        }
    }

    @Test(arguments: Meddling.allCases)
    func changesAreNoticed(meddling: Meddling) async throws {
        try folder.write(someBytes(100_000), to: "file")
        let path = folder.at("file")
        // An mtime in the past differs from any that a write now gives, however coarse the clock.
        try setModified(path, to: 1_000_000_000)
        let reading = try FileSource(path: path).read(blocks: pool)
        // More than is read ahead is still to come.
        _ = try await reading.next()
        switch meddling {
        case .shrink: try #require(truncate(path, 50_000) == 0)
        case .grow: try #require(truncate(path, 150_000) == 0)
        case .rewrite:
            let file = try #require(FileHandle(forUpdatingAtPath: path))
            try file.write(contentsOf: Data([0]))
            try file.close()
        case .touch: try setModified(path, to: 1_000_000_001)
        }
        let expected = LocalFileError.changedWhileReading(path: path, change: meddling.change)
        await #expect(throws: expected) { try await reading.rest() }
        await #expect(throws: expected) { try await reading.digest() }
    }

    @Test func changeAfterTheLastByteSpoilsTheDigest() async throws {
        try folder.write(someBytes(100_000), to: "file")
        let path = folder.at("file")
        let source = try FileSource(path: path)
        try #require(truncate(path, 0) == 0)
        let reading = try source.read(from: 100_000, blocks: pool)
        await #expect(throws: LocalFileError.changedWhileReading(path: path, change: .shrank)) {
            try await reading.digest()
        }
    }

    @Test func readsAheadOnlyAFewBlocks() async throws {
        try folder.write(someBytes(1_000_000), to: "file")
        let reading = try FileSource(path: folder.at("file")).read(blocks: pool)
        // Nothing is taken, so the digest cannot come to an end: cancelling is what ends the wait.
        let waiting = Task { try await reading.digest() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        _ = try await reading.next()
        reading.cancel()
        await #expect(throws: LocalFileError.aborted(name: folder.at("file"))) { try await reading.rest() }
        await #expect(throws: LocalFileError.aborted(name: folder.at("file"))) { try await reading.digest() }
    }

    @Test func cancelledTaskStopsWaiting() async throws {
        try folder.write(someBytes(10_000), to: "file")
        let reading = try FileSource(path: folder.at("file")).read(blocks: pool)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await reading.next()
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await reading.rest() == someBytes(10_000))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (1_795_400_617, "2026-11-23T02:23:37Z"), (-1, "1969-12-31T23:59:59Z"),
    ])
    func timeAsTheXEPWritesIt(seconds: Int, text: String) {
        #expect(FileTime(seconds: seconds).dateTime == text)
    }

    @Test func timesBeyondTheCalendarHaveNoText() {
        #expect(FileTime(seconds: .max).dateTime == nil)
        #expect(FileTime(seconds: 300_000_000_000).dateTime == nil)
    }

    private func setModified(_ path: String, to seconds: Int) throws {
        var times = [timeval(tv_sec: seconds, tv_usec: 0), timeval(tv_sec: seconds, tv_usec: 0)]
        try #require(utimes(path, &times) == 0)
    }
}
