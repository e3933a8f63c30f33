import SecureChannels
import Testing

/// Where a record ends, by its header.
@Suite struct TLSRecordProgressTests {
    private static func record(_ contentByteCount: Int) -> [UInt8] {
        [23, 3, 3, UInt8(contentByteCount >> 8), UInt8(contentByteCount & 0xFF)]
            + [UInt8](repeating: 0xAA, count: contentByteCount)
    }

    @Test(
        arguments: [
            ([], 5), ([23], 4), ([23, 3, 3, 1], 1), ([23, 3, 3, 1, 2], 258), ([23, 3, 3, 1, 2, 0], 257),
            ([23, 3, 3, 0, 2, 9, 9], 5), ([23, 3, 3, 0, 2, 9, 9, 23, 3], 3), ([23, 3, 3, 0, 0], 5),
            ([23, 3, 3, 0, 0, 22, 3, 3, 0, 1], 1), ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF], 65_535),
        ] as [([UInt8], Int)])
    func tellsWhatIsMissing(bytes: [UInt8], missing: Int) {
        var progress = TLSRecordProgress()
        bytes.withUnsafeBytes { progress.advance(over: $0) }
        #expect(progress.missingByteCount == missing)
    }

    /// In pieces of any size, whoever reads what is missing comes to the end of every record, and never beyond.
    @Test(arguments: [1, 2, 7, 1448, 20_000])
    func neverAsksForMoreThanTheRecord(pieceByteCount: Int) {
        let sizes = [0, 1, 22, 300, 16_401, 16_401, 5, 4096]
        let bytes = sizes.flatMap(Self.record)
        var ends: Set<Int> = []
        for size in sizes { ends.insert((ends.max() ?? 0) + size + 5) }
        var (progress, place, reached) = (TLSRecordProgress(), 0, Set<Int>())
        while place < bytes.count {
            let count = min(pieceByteCount, progress.missingByteCount)
            bytes[place..<place + count].withUnsafeBytes { progress.advance(over: $0) }
            place += count
            if ends.contains(place) { reached.insert(place) }
        }
        #expect(place == bytes.count)
        #expect(reached == ends)
        #expect(progress.missingByteCount == 5)
    }

    @Test func fullRecordsAreBulkUntilOneIsNot() {
        var progress = TLSRecordProgress()
        for _ in 0..<15 {
            Self.record(16_401).withUnsafeBytes { progress.advance(over: $0) }
            #expect(!progress.isBulk)
        }
        for _ in 0..<3 {
            Self.record(16_401).withUnsafeBytes { progress.advance(over: $0) }
            #expect(progress.isBulk)
        }
        Self.record(16_384).withUnsafeBytes { progress.advance(over: $0) }
        #expect(!progress.isBulk)
    }
}
