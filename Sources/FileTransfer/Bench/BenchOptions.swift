/// How much is measured.
public struct BenchOptions: Sendable, Hashable {
    /// How long the warm path is measured in each direction.
    public var duration = Duration.seconds(10)
    /// How many bytes end a direction; `nil`: the time alone does.
    public var byteCount: UInt64?
    /// How many streams carry them at once, where the carrier has several.
    public var streamCount: UInt16 = 1

    /// Measures ten seconds of one stream.
    public init() {}
}
