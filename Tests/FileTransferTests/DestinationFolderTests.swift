import Foundation
import Testing
import Transports

@testable import FileTransfer

@Suite struct DestinationFolderTests {
    private let folder: TemporaryFolder
    private let pool = BlockPool(blockByteCount: 4096)

    init() throws { folder = try TemporaryFolder() }

    @Test func whatIsNoFolderIsRefused() throws {
        let missing = folder.at("missing")
        #expect(throws: LocalFileError.notFound(path: missing)) { try DestinationFolder(path: missing) }
        try folder.write([], to: "file")
        let file = folder.at("file")
        #expect(throws: LocalFileError.notFolder(path: file)) { try DestinationFolder(path: file) }
    }

    @Test func aFolderWithoutPermissionIsRefused() async throws {
        let user = geteuid() == 0 ? Self.nobody : geteuid()
        try #require(chown(folder.path, user, gid_t.max) == 0)
        try #require(chmod(folder.path, 0o500) == 0)
        let path = folder.path
        let result = try await Self.run(as: user) { Result { try DestinationFolder(path: path) } }
        try #require(chmod(folder.path, 0o700) == 0)
        #expect(throws: LocalFileError.permissionDenied(path: path)) { try result.get() }
    }

    @Test(.enabled(if: geteuid() == 0, "only root mounts"))
    func aReadOnlyFolderIsRefused() async throws {
        try await withMount("tmpfs", "size=1m", flags: UInt(MS_RDONLY)) { path in
            #expect(throws: LocalFileError.readOnly(path: path)) { try DestinationFolder(path: path) }
        }
    }

    @Test(arguments: [UInt64(Int64.max) - 1, UInt64(Int64.max)])
    func aFileThatDoesNotFitIsRefusedBeforeAnythingIsWritten(size: UInt64) async throws {
        let destination = try DestinationFolder(path: folder.path)
        let offer = FileOffer(sender: "you@example.org", name: "huge", byteCount: size)
        let error = await #expect(throws: LocalFileError.self) { try await destination.receive(offer, blocks: pool) }
        guard case .noSpace(folder.path, size, let free) = error else {
            Issue.record("not noSpace: \(String(describing: error))")
            return
        }
        #expect(free > 0)
        #expect(try folder.names == [])
        #expect(throws: LocalFileError.self) { try destination.checkSpace(for: size) }
        #expect(throws: Never.self) { try destination.checkSpace(for: 1) }
    }

    @Test func aSizeNoFileCanHaveIsRefused() async throws {
        let destination = try DestinationFolder(path: folder.path)
        let offer = FileOffer(sender: "you@example.org", name: "huge", byteCount: .max)
        await #expect(throws: LocalFileError.tooLarge(name: "huge")) {
            try await destination.receive(offer, blocks: pool)
        }
        #expect(try folder.names == [])
    }

    @Test func theFolderMayMoveMeanwhile() async throws {
        let (before, after) = (folder.at("before"), folder.at("after"))
        try FileManager.default.createDirectory(atPath: before, withIntermediateDirectories: false)
        let destination = try DestinationFolder(path: before)
        let sink = try await destination.receive(
            FileOffer(sender: "you@example.org", name: "file", byteCount: 1), blocks: pool)
        try FileManager.default.moveItem(atPath: before, toPath: after)
        try await sink.write([1], from: pool)
        _ = try await sink.finish(expecting: nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: after) == ["file"])
    }

    @Test func thousandNamesAreEnough() async throws {
        let destination = try DestinationFolder(path: folder.path)
        for number in 0...LocalFileName.highestNumber {
            try folder.write([], to: LocalFileName(peerName: "f").numbered(number))
        }
        let sink = try await destination.receive(FileOffer(sender: "a@b", name: "f", byteCount: 0), blocks: pool)
        await #expect(throws: LocalFileError.noFreeName(name: "f")) { try await sink.finish(expecting: nil) }
        #expect(await sink.abort() == .nothing)
    }

    // MARK: Other file systems

    @Test(.enabled(if: geteuid() == 0, "only root mounts"))
    func aFullDiskEndsTheTransferAndKeepsThePart() async throws {
        try await withMount("tmpfs", "size=1m") { path in
            let destination = try DestinationFolder(path: path)
            // Of unknown size, so that nothing warns beforehand.
            let sink = try await destination.receive(
                FileOffer(sender: "you@example.org", name: "file", byteCount: nil), blocks: pool)
            let error = await #expect(throws: LocalFileError.self) {
                try await sink.write([UInt8](repeating: 1, count: 2 << 20), from: pool)
                _ = try await sink.finish(expecting: nil)
            }
            #expect(error == .noSpace(folder: path, needed: nil, free: 0))
            guard case .part(_, let count, false) = await sink.abort() else {
                Issue.record("no part remains")
                return
            }
            #expect(count > 500_000)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root mounts"))
    func spaceIsCheckedAndReserved() async throws {
        try await withMount("tmpfs", "size=1m") { path in
            let destination = try DestinationFolder(path: path)
            let offer = { (name: String, count: UInt64) in FileOffer(sender: "a@b", name: name, byteCount: count) }
            let sink = try await destination.receive(offer("large", 900_000), blocks: pool)
            let free = try destination.freeByteCount()
            #expect(free < 200_000)
            await #expect(throws: LocalFileError.noSpace(folder: path, needed: 300_000, free: free)) {
                try await destination.receive(offer("other", 300_000), blocks: pool)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["large.sleigh-part"])
            // What was reserved and not used is free again afterwards.
            try await sink.write([1], from: pool)
            await sink.abort()
            #expect(try destination.freeByteCount() > 900_000)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root mounts"))
    func withoutExtendedAttributesATransferStartsOver() async throws {
        try await withMount("ramfs", "mode=700") { path in
            let destination = try DestinationFolder(path: path)
            let offer = FileOffer(sender: "a@b", name: "file", byteCount: nil)
            let first = try await destination.receive(offer, blocks: pool)
            #expect(!first.isResumable)
            try await first.write([1, 2], from: pool)
            await first.abort()
            let second = try await destination.receive(offer, blocks: pool)
            #expect(second.start == .startedOver(.folderKeepsNoAttributes))
            try await second.write([3], from: pool)
            #expect(try await second.finish(expecting: nil).byteCount == 1)
        }
    }

    private static let nobody: uid_t = 65534

    /// The number of the system call setresuid, which Swift does not see.
    #if arch(x86_64)
        private static let setresuidNumber = 117
    #else
        private static let setresuidNumber = 147
    #endif

    /// Runs as another user, on a thread of its own that can never become root again: a user's rights are a thread's.
    /// The C library would give up those of the whole process, so this asks the kernel.
    private static func run<Value: Sendable>(
        as user: uid_t, _ body: @escaping @Sendable () -> Value
    ) async throws -> Value {
        typealias SystemCall = @convention(c) (Int, Int, Int, Int) -> Int
        let systemCall = unsafeBitCast(try #require(dlsym(nil, "syscall")), to: SystemCall.self)
        let result: Result<Value, POSIXError> = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                let user = Int(user)
                guard systemCall(setresuidNumber, user, user, user) == 0 else {
                    return continuation.resume(returning: .failure(POSIXError(.EPERM)))
                }
                continuation.resume(returning: .success(body()))
            }
        }
        return try result.get()
    }

    /// Runs with a small file system mounted on a folder.
    private func withMount(
        _ type: String, _ options: String, flags: UInt = 0, _ body: (String) async throws -> Void
    ) async throws {
        let path = folder.at("mount")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try #require(mount("sleigh-test", path, type, flags, options) == 0)
        defer { umount2(path, Int32(MNT_DETACH)) }
        try await body(path)
    }

    /// The value of an extended attribute, or `nil`.
    static func attribute(_ name: String, of path: String) throws -> Data? {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        let extended = attributes[FileAttributeKey("NSFileExtendedAttributes")] as? [String: Data]
        return extended?[name]
    }
}
