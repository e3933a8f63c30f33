import FileTransfer
import Transports

/// What became of the measurement of a path.
struct BenchRow: Sendable {
    enum State: Sendable {
        /// All was measured.
        case measured
        /// Only what the result holds, and why not the rest.
        case partial(String)
        /// There is no such path, for these reasons.
        case missing([String])
    }

    /// What the path was called before it was known.
    var name: String
    var result: BenchResult
    var state: State

    /// What it is called, such as `direct udp`.
    var path: String { result.path?.description ?? name }

    /// Why it was not measured, or not completely; printable.
    var reasons: [String] {
        switch state {
        case .measured: []
        case .partial(let why): [why]
        case .missing(let reasons): reasons
        }
    }
}

extension BenchResult.Direction {
    /// Processor seconds for a GiB.
    func processorSecondsPerGiB(_ time: Duration?) -> Double? {
        guard let time, let byteCount, byteCount > 0 else { return nil }
        return time.inSeconds / (Double(byteCount) / Double(1 << 30))
    }

    /// The share of packets whose bytes were sent again: lost ones of QUIC, repeated ones of TCP.
    var repeatedShare: Double? {
        guard let sentPacketCount, sentPacketCount > 0, let count = lostPacketCount ?? repeatedPacketCount else {
            return nil
        }
        return Double(count) / Double(sentPacketCount)
    }
}
