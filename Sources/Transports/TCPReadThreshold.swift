internal import SecureChannels

/// How many bytes the socket of a TLS connection is to have before it wakes anybody. Where segments come one by one most of
/// what they cost is being told of each.
///
/// Usually it is what the peer's current record lacks, which delays nothing. While much comes it is several records, which
/// may then wait some milliseconds for each other. Times are nanoseconds of a clock that only goes forward.
struct TCPReadThreshold {
    /// How much is read at once while much comes, and how long it may wait for that.
    private static let bulkByteCount = 64 << 10
    private static let limit: UInt64 = 5_000_000
    /// At this pace, 2 Gbit/s, segments come many at a time, and to be silent would keep the sender waiting.
    private static let fastNanosecondsPerByte: UInt64 = 4

    /// How much to wait for; 1 for whatever comes.
    private(set) var byteCount = 1
    /// When ``expire(now:)`` may have something to do.
    private(set) var deadline: UInt64?

    private var records = TLSRecordProgress()
    private var lastReadTime: UInt64
    private var readByteCount: UInt64 = 0

    init(now: UInt64) { lastReadTime = now }

    /// Takes note of the bytes that the socket brought, all of them and in order.
    mutating func noteRead(_ bytes: UnsafeRawBufferPointer) {
        readByteCount += UInt64(bytes.count)
        records.advance(over: bytes)
    }

    /// There is nothing more to read now.
    mutating func finishReading(now: UInt64) {
        let isFast = readByteCount * Self.fastNanosecondsPerByte >= now - lastReadTime
        (lastReadTime, readByteCount) = (now, 0)
        let isGathering = records.isBulk && !isFast
        deadline = isGathering ? now + Self.limit : nil
        let missing = records.missingByteCount
        byteCount = isFast ? 1 : isGathering ? max(missing, Self.bulkByteCount) : missing
    }

    /// Waits for no more than a record, if that is due.
    mutating func expire(now: UInt64) {
        guard let deadline, deadline <= now else { return }
        self.deadline = nil
        byteCount = records.missingByteCount
    }
}
