import FileTransfer
import TerminalUI

extension BenchRow {
    /// The names of the columns.
    static let csvHeader = CSV.record([
        "path", "state", "reason", "direction", "streams", "connect_seconds", "idle_round_trip_ms", "warm",
        "window_seconds", "window_bytes", "bits_per_second", "min_bits_per_second", "median_bits_per_second",
        "max_bits_per_second", "loaded_round_trip_ms", "loaded_round_trip_max_ms", "sent_packets", "lost_packets",
        "repeated_packets", "cpu_seconds_per_gib", "peer_cpu_seconds_per_gib",
    ])

    /// A record for each direction, or one without figures.
    var csvRecords: [String] {
        let record = JSONLine.Measured(self)
        let head = [path, record.state, reasons.joined(separator: "; ")]
        guard !record.directions.isEmpty else {
            return [CSV.record(head + Array(repeating: "", count: 18))]
        }
        return record.directions.map { direction in
            CSV.record(
                head + [
                    direction.direction, "\(direction.streams)", text(record.connectSeconds),
                    text(record.idleRoundTrip?.medianMs), direction.warm.map { "\($0)" } ?? "",
                    text(direction.windowSeconds), text(direction.windowBytes), text(direction.bitsPerSecond),
                    text(direction.minBitsPerSecond), text(direction.medianBitsPerSecond),
                    text(direction.maxBitsPerSecond), text(direction.loadedRoundTrip?.medianMs),
                    text(direction.loadedRoundTrip?.maxMs), text(direction.sentPackets), text(direction.lostPackets),
                    text(direction.repeatedPackets), text(direction.cpuSecondsPerGib),
                    text(direction.peerCpuSecondsPerGib),
                ])
        }
    }

    private func text(_ value: (some CustomStringConvertible)?) -> String { value?.description ?? "" }
}
