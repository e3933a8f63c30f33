import Foundation
import SecureChannels
import Testing
import Transports

@testable import FileTransfer

@Suite struct FileSinkTests {
    private let folder: TemporaryFolder
    private let destination: DestinationFolder
    private let pool = BlockPool(blockByteCount: 4096)

    init() throws {
        folder = try TemporaryFolder()
        destination = try DestinationFolder(path: folder.path)
    }

    private func offer(_ name: String = "file.bin", size: Int?) -> FileOffer {
        FileOffer(
            sender: "you@example.org", name: name, byteCount: size.map { UInt64($0) }, date: "2026-11-23T02:23:37Z")
    }

    private func receive(_ offer: FileOffer, _ existing: ExistingFile = .keep) async throws -> FileSink {
        try await destination.receive(offer, existing: existing, blocks: pool)
    }

    // MARK: Whole files

    @Test(arguments: [0, 1, 4096, 100_000], [true, false])
    func aFileArrives(count: Int, sizeIsKnown: Bool) async throws {
        let bytes = someBytes(count)
        let sink = try await receive(offer(size: sizeIsKnown ? count : nil))
        #expect(sink.start == .fresh)
        #expect(sink.offset == 0)
        #expect(try folder.names == ["file.bin.sleigh-part"])
        try await sink.write(bytes, from: pool)
        let file = try await sink.finish(expecting: sha256(bytes))
        #expect(file.name == "file.bin")
        #expect(file.path == folder.at("file.bin"))
        #expect(file.byteCount == UInt64(count))
        #expect(file.sha256 == sha256(bytes))
        #expect(file.isVerified)
        #expect(try folder.names == ["file.bin"])
        #expect(try folder.read("file.bin") == bytes)
    }

    @Test func withoutADigestNothingIsVerified() async throws {
        let sink = try await receive(offer(size: 3))
        try await sink.write([1, 2, 3], from: pool)
        let file = try await sink.finish(expecting: nil)
        #expect(!file.isVerified)
        #expect(file.sha256 == sha256([1, 2, 3]))
    }

    @Test(arguments: DigestAlgorithm.allCases)
    func anyFunctionMayBeCompared(algorithm: DigestAlgorithm) async throws {
        let bytes = someBytes(10_000)
        let sink = try await destination.receive(offer(size: 10_000), algorithm: algorithm, blocks: pool)
        try await sink.write(bytes, from: pool)
        let file = try await sink.finish(expecting: algorithm.hash(bytes))
        #expect(file.isVerified && file.sha256 == sha256(bytes))
        let next = try await destination.receive(offer(size: 1), algorithm: algorithm, blocks: pool)
        try await next.write([1], from: pool)
        await #expect(throws: LocalFileError.self) { try await next.finish(expecting: algorithm.hash([2])) }
    }

    @Test func theDigestIsKnownBeforeTheFileIsFinished() async throws {
        let sink = try await receive(offer(size: 3))
        try await sink.write([1, 2, 3], from: pool)
        #expect(try await sink.digest() == sha256([1, 2, 3]))
        #expect(try folder.names == ["file.bin.sleigh-part"])
        _ = try await sink.finish(expecting: sha256([1, 2, 3]))
        #expect(try folder.names == ["file.bin"])
    }

    @Test func permissionsFollowTheUmaskOnlyAtTheEnd() async throws {
        let mask = umask(0)
        umask(mask)
        let sink = try await receive(offer(size: 1))
        #expect(try permissions("file.bin.sleigh-part") == 0o600)
        try await sink.write([1], from: pool)
        _ = try await sink.finish(expecting: nil)
        #expect(try permissions("file.bin") == 0o666 & ~Int(mask))
    }

    private func permissions(_ name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.at(name))
        return try #require(attributes[.posixPermissions] as? Int)
    }

    @Test func aFinishedFileKeepsNoTraceOfTheOffer() async throws {
        let sink = try await receive(offer(size: 1))
        try await sink.write([1], from: pool)
        _ = try await sink.finish(expecting: nil)
        let value = try DestinationFolderTests.attribute("user.sleigh.offer", of: folder.at("file.bin"))
        #expect(value == nil)
    }

    @Test(arguments: ["../../evil", "/etc/evil", "x/../evil"])
    func nothingLeavesTheFolder(name: String) async throws {
        let sink = try await receive(offer(name, size: 1))
        try await sink.write([1], from: pool)
        _ = try await sink.finish(expecting: nil)
        #expect(try folder.names == ["evil"])
    }

    // MARK: Names that are taken

    @Test func anExistingFileIsLeftAlone() async throws {
        try folder.write([9], to: "file.bin")
        try folder.write([8], to: "file (1).bin")
        let sink = try await receive(offer(size: 1))
        try await sink.write([1], from: pool)
        let file = try await sink.finish(expecting: nil)
        #expect(file.name == "file (2).bin")
        #expect(try folder.names == ["file (1).bin", "file (2).bin", "file.bin"])
        #expect(try folder.read("file.bin") == [9])
    }

    @Test func anExistingFileIsReplacedWhenAsked() async throws {
        try folder.write([9], to: "file.bin")
        let sink = try await receive(offer(size: 1), .replace)
        try await sink.write([1], from: pool)
        #expect(try folder.read("file.bin") == [9])
        #expect(try await sink.finish(expecting: nil).name == "file.bin")
        #expect(try folder.names == ["file.bin"])
        #expect(try folder.read("file.bin") == [1])
    }

    @Test func aFolderInTheWayIsNotReplaced() async throws {
        let sink = try await receive(offer(size: 1), .replace)
        try await sink.write([1], from: pool)
        try FileManager.default.createDirectory(atPath: folder.at("file.bin"), withIntermediateDirectories: false)
        await #expect(throws: LocalFileError.exists(path: folder.at("file.bin"))) {
            try await sink.finish(expecting: nil)
        }
        let part = folder.at("file.bin.sleigh-part")
        #expect(await sink.abort() == .part(path: part, byteCount: 1, isResumable: true))
        await #expect(throws: LocalFileError.exists(path: folder.at("file.bin"))) {
            try await receive(offer(size: 1), .replace)
        }
        let next = try await receive(offer(size: 1))
        #expect(next.offset == 1)
        #expect(try await next.finish(expecting: sha256([1])).name == "file (1).bin")
    }

    @Test func twoReceiversOfOneNameDoNotMeet() async throws {
        let first = try await receive(offer(size: 1))
        let second = try await receive(offer(size: 1))
        #expect(try folder.names == ["file (1).bin.sleigh-part", "file.bin.sleigh-part"])
        try await first.write([1], from: pool)
        try await second.write([2], from: pool)
        #expect(try await second.finish(expecting: nil).name == "file.bin")
        #expect(try await first.finish(expecting: nil).name == "file (1).bin")
        #expect(try folder.read("file.bin") == [2])
        #expect(try folder.read("file (1).bin") == [1])
    }

    @Test func aLinkIsNotFollowed() async throws {
        try folder.write([9], to: "victim")
        let part = "file.bin.sleigh-part"
        try FileManager.default.createSymbolicLink(atPath: folder.at(part), withDestinationPath: folder.at("victim"))
        try FileManager.default.linkItem(atPath: folder.at("victim"), toPath: folder.at("file (1).bin.sleigh-part"))
        let sink = try await receive(offer(size: 1))
        #expect(sink.partPath == folder.at("file (2).bin.sleigh-part"))
        try await sink.write([1], from: pool)
        _ = try await sink.finish(expecting: nil)
        #expect(try folder.read("victim") == [9])
    }

    // MARK: Interruption

    @Test func anInterruptedFileIsContinued() async throws {
        let bytes = someBytes(50_000)
        let first = try await receive(offer(size: 50_000))
        try await first.write(bytes[..<20_000], from: pool)
        let part = folder.at("file.bin.sleigh-part")
        #expect(await first.abort() == .part(path: part, byteCount: 20_000, isResumable: true))
        #expect(await first.abort() == .part(path: part, byteCount: 20_000, isResumable: true))

        let second = try await receive(offer(size: 50_000))
        #expect(second.start == .resumed(byteCount: 20_000))
        #expect(second.offset == 20_000)
        try await second.write(bytes[20_000...], from: pool)
        let file = try await second.finish(expecting: sha256(bytes))
        #expect(file.isVerified)
        #expect(try folder.read("file.bin") == bytes)
        #expect(try folder.names == ["file.bin"])
    }

    @Test(arguments: [0, 1, 10_000, 19_999])
    func thePeerMayStartEarlier(offset: Int) async throws {
        let bytes = someBytes(50_000)
        let first = try await receive(offer(size: 50_000))
        try await first.write(someBytes(20_000, seed: 1)[..<20_000], from: pool)
        await first.abort()
        let second = try await receive(offer(size: 50_000))
        try second.begin(at: UInt64(offset))
        #expect(second.offset == UInt64(offset))
        try await second.write(bytes[offset...], from: pool)
        #expect(try await second.finish(expecting: sha256(bytes)).byteCount == 50_000)
        #expect(try folder.read("file.bin") == bytes)
    }

    @Test func thePeerMayNotStartLater() async throws {
        let sink = try await receive(offer(size: 50_000))
        #expect(throws: LocalFileError.wrongSize(name: "file.bin", offered: 10, received: 0)) { try sink.begin(at: 10) }
    }

    @Test func aPartThatIsCompleteNeedsNoMoreBytes() async throws {
        let first = try await receive(offer(size: 3))
        try await first.write([1, 2, 3], from: pool)
        await first.abort()
        let second = try await receive(offer(size: 3))
        #expect(second.offset == 3)
        #expect(try await second.finish(expecting: sha256([1, 2, 3])).isVerified)
    }

    @Test(arguments: [
        FileOffer(sender: "other@example.org", name: "file.bin", byteCount: 3, date: "d"),
        FileOffer(sender: "you@example.org", name: "file.bin", byteCount: 4, date: "d"),
        FileOffer(sender: "you@example.org", name: "file.bin", byteCount: 3, date: "e"),
        FileOffer(sender: "you@example.org", name: "a/file.bin", byteCount: 3, date: "d"),
        FileOffer(sender: "you@example.org", name: "file.bin", byteCount: nil, date: "d"),
    ])
    func aPartOfAnotherOfferIsLeftAlone(other: FileOffer) async throws {
        let first = try await receive(FileOffer(sender: "you@example.org", name: "file.bin", byteCount: 3, date: "d"))
        try await first.write([1], from: pool)
        await first.abort()
        let second = try await receive(other)
        #expect(second.start == .fresh)
        #expect(second.partPath == folder.at("file (1).bin.sleigh-part"))
        #expect(try folder.read("file.bin.sleigh-part") == [1])
    }

    @Test func aFileOfUnknownSizeIsStartedOver() async throws {
        let first = try await receive(offer(size: nil))
        try await first.write([1, 2], from: pool)
        let part = folder.at("file.bin.sleigh-part")
        #expect(await first.abort() == .part(path: part, byteCount: 2, isResumable: false))
        let second = try await receive(offer(size: nil))
        #expect(second.start == .startedOver(.sizeUnknown))
        #expect(second.offset == 0)
        try await second.write([3], from: pool)
        #expect(try await second.finish(expecting: sha256([3])).byteCount == 1)
    }

    @Test func nothingRemainsOfNothing() async throws {
        let sink = try await receive(offer(size: 3))
        #expect(await sink.abort() == .nothing)
        #expect(try folder.names == [])
        await #expect(throws: LocalFileError.aborted(name: "file.bin")) { try await sink.write([1], from: pool) }
        await #expect(throws: LocalFileError.aborted(name: "file.bin")) { try await sink.finish(expecting: nil) }
    }

    @Test func abortAfterTheEndChangesNothing() async throws {
        let sink = try await receive(offer(size: 1))
        try await sink.write([1], from: pool)
        _ = try await sink.finish(expecting: nil)
        #expect(await sink.abort() == .file)
        #expect(try folder.names == ["file.bin"])
    }

    @Test func aReleasedSinkLetsItsPartGo() async throws {
        do {
            let sink = try await receive(offer(size: 5))
            try await sink.write([1, 2], from: pool)
            await sink.abort()
        }
        let next = try await receive(offer(size: 5))
        #expect(next.offset == 2)
    }

    @Test func abortWorksInACancelledTask() async throws {
        let sink = try await receive(offer(size: 50_000))
        try await sink.write(someBytes(20_000), from: pool)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            await #expect(throws: CancellationError.self) { try await sink.write([1], from: pool) }
            return await sink.abort()
        }
        let part = folder.at("file.bin.sleigh-part")
        #expect(await task.value == .part(path: part, byteCount: 20_000, isResumable: true))
    }

    // MARK: Wrong bytes

    @Test func aDamagedFileIsDeleted() async throws {
        let sink = try await receive(offer(size: 3))
        try await sink.write([1, 2, 3], from: pool)
        let (good, bad) = (hexadecimal(sha256([1, 2, 4])), hexadecimal(sha256([1, 2, 3])))
        await #expect(throws: LocalFileError.wrongDigest(name: "file.bin", expected: good, received: bad)) {
            try await sink.finish(expecting: sha256([1, 2, 4]))
        }
        #expect(try folder.names == [])
        #expect(await sink.abort() == .nothing)
    }

    @Test func aDamagedPartIsFoundOutAndDeleted() async throws {
        let bytes = someBytes(30_000)
        let first = try await receive(offer(size: 30_000))
        try await first.write(bytes[..<20_000], from: pool)
        await first.abort()
        let file = try #require(FileHandle(forUpdatingAtPath: folder.at("file.bin.sleigh-part")))
        try file.write(contentsOf: Data([bytes[0] ^ 1]))
        try file.close()
        let second = try await receive(offer(size: 30_000))
        try await second.write(bytes[20_000...], from: pool)
        await #expect(throws: LocalFileError.self) { try await second.finish(expecting: sha256(bytes)) }
        #expect(try folder.names == [])
    }

    @Test func moreThanOfferedIsRefused() async throws {
        let sink = try await receive(offer(size: 5))
        try await sink.write([1, 2, 3], from: pool)
        await #expect(throws: LocalFileError.moreThanOffered(name: "file.bin", offered: 5)) {
            try await sink.write([4, 5, 6], from: pool)
        }
        #expect(sink.offset == 3)
    }

    @Test func lessThanOfferedIsKeptForLater() async throws {
        let sink = try await receive(offer(size: 5))
        try await sink.write([1, 2, 3], from: pool)
        await #expect(throws: LocalFileError.wrongSize(name: "file.bin", offered: 5, received: 3)) {
            try await sink.finish(expecting: nil)
        }
        let part = folder.at("file.bin.sleigh-part")
        #expect(await sink.abort() == .part(path: part, byteCount: 3, isResumable: true))
    }

    @Test func aPartLongerThanTheFileIsStartedOver() async throws {
        let first = try await receive(offer(size: 3))
        try await first.write([1, 2], from: pool)
        await first.abort()
        try #require(truncate(folder.at("file.bin.sleigh-part"), 10) == 0)
        let second = try await receive(offer(size: 3))
        #expect(second.start == .startedOver(.longerThanOffered))
        #expect(second.offset == 0)
    }

    // MARK: From file to file

    @Test func aSourceFeedsASink() async throws {
        let bytes = someBytes(1_000_000)
        try folder.write(bytes, to: "source")
        let reading = try FileSource(path: folder.at("source")).read(blocks: pool)
        let sink = try await receive(offer("copy", size: bytes.count))
        while let block = try await reading.next() { try await sink.write(block) }
        let file = try await sink.finish(expecting: try await reading.digest())
        #expect(file.sha256 == sha256(bytes))
        #expect(try folder.read("copy") == bytes)
    }
}
