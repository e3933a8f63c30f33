/// Where the record ends that a TLS connection is receiving (RFC 8446 § 5.1), by the lengths in the headers, so that nobody
/// need be woken for less: a part of a record is of no use to anybody.
package struct TLSRecordProgress: Sendable {
    private static let headerByteCount = 5
    /// What a record carries at most.
    private static let fullRecordByteCount = 16_384
    /// How much comes in full records before more of them are likely.
    private static let bulkByteCount = 256 << 10

    /// How much of a header has come; what it says of the content's length, as far as that.
    private var headerPartByteCount = 0
    private var announcedByteCount = 0
    /// How much is missing of the content whose header was the last.
    private var contentByteCount = 0
    /// How much full records have announced since there was one that is not full.
    private var runByteCount = 0

    /// Begins before the first record.
    package init() {}

    /// How many bytes the current record lacks, as far as is known: those of its content, or of its header while that is not
    /// there; 1 to 65,535. A record longer than TLS permits is an error as soon as its header is read.
    package var missingByteCount: Int {
        contentByteCount > 0 ? contentByteCount : Self.headerByteCount - headerPartByteCount
    }

    /// Whether the peer has much to send: for some time its records were full.
    package var isBulk: Bool { runByteCount >= Self.bulkByteCount }

    /// Goes on by the bytes that came next.
    package mutating func advance(over bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index < bytes.count {
            if contentByteCount > 0 {
                let byteCount = min(contentByteCount, bytes.count - index)
                contentByteCount -= byteCount
                index += byteCount
            } else {
                takeHeader(bytes[index])
                index += 1
            }
        }
    }

    /// The length is in the last two bytes.
    private mutating func takeHeader(_ byte: UInt8) {
        announcedByteCount = (announcedByteCount & 0xFF) << 8 | Int(byte)
        headerPartByteCount += 1
        guard headerPartByteCount == Self.headerByteCount else { return }
        headerPartByteCount = 0
        contentByteCount = announcedByteCount
        let isFull = announcedByteCount > Self.fullRecordByteCount
        runByteCount = isFull ? min(runByteCount + announcedByteCount, Self.bulkByteCount) : 0
    }
}
