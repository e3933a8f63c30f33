/// How much had arrived at a time after the first byte.
public struct BenchSample: Sendable, Hashable {
    /// The time since the first byte arrived, by the receiver's clock.
    public var time: Duration
    /// The bytes of filling that had arrived by then.
    public var byteCount: UInt64

    /// Creates a sample.
    public init(time: Duration, byteCount: UInt64) {
        self.time = time
        self.byteCount = byteCount
    }
}
