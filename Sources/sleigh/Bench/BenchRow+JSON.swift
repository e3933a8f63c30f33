import FileTransfer
import Jingle
import TerminalUI
import Transports
import XMPP

extension JSONLine {
    /// A path was measured, or is not there; as Bench.md documents it.
    struct Measured: Encodable {
        struct RoundTrips: Encodable {
            var source: String
            var minMs: Double
            var medianMs: Double
            var maxMs: Double
        }

        struct Sample: Encodable {
            var seconds: Double
            var bytes: UInt64
        }

        struct Direction: Encodable {
            var direction: String
            var complete: Bool
            var streams: Int
            var warm: Bool?
            var windowStartSeconds: Double?
            var windowSeconds: Double?
            var windowBytes: UInt64?
            var bitsPerSecond: Double?
            var minBitsPerSecond: Double?
            var medianBitsPerSecond: Double?
            var maxBitsPerSecond: Double?
            var partSeconds: Double?
            var totalBytes: UInt64?
            var cpuSeconds: Double?
            var peerCpuSeconds: Double?
            var cpuSecondsPerGib: Double?
            var peerCpuSecondsPerGib: Double?
            var sentPackets: UInt64?
            var lostPackets: UInt64?
            var repeatedPackets: UInt64?
            var loadedRoundTrip: RoundTrips?
            var loadedCarrierRoundTrip: RoundTrips?
            var samples: [Sample]
        }

        let event: String
        var state: String
        var path: String
        var reasons: [String]
        var peer: String?
        var ipVersion: Int?
        var localAddress: String?
        var remoteAddress: String?
        var setUpSeconds: Double?
        var connectSeconds: Double?
        var idleRoundTrip: RoundTrips?
        var idleCarrierRoundTripMs: Double?
        var directions: [Direction]
    }
}

extension JSONLine.Measured {
    /// - Parameter event: `measured`, or `served` on the side that only took part.
    init(_ row: BenchRow, event: String = "measured") {
        self.event = event
        state =
            switch row.state {
            case .measured: "measured"
            case .partial: "partial"
            case .missing: "missing"
            }
        path = row.path
        reasons = row.reasons + (row.result.path?.reasons.map { printable($0) } ?? [])
        peer = row.result.peer.map { printable($0.description) }
        ipVersion = row.result.path?.ipVersion
        localAddress = row.result.path?.localAddress
        remoteAddress = row.result.path?.remoteAddress
        setUpSeconds = row.result.setUpDuration?.inSeconds
        connectSeconds = row.result.connectDuration?.inSeconds
        idleRoundTrip = row.result.idleRoundTrips.map { RoundTrips($0) }
        idleCarrierRoundTripMs = row.result.carrierRoundTrip?.inMilliseconds
        directions = row.result.directions.map { Direction($0) }
    }
}

extension JSONLine.Measured.RoundTrips {
    init(_ trips: BenchRoundTrips) {
        self.init(
            source: trips.source.rawValue, minMs: trips.least.inMilliseconds, medianMs: trips.median.inMilliseconds,
            maxMs: trips.most.inMilliseconds)
    }
}

extension JSONLine.Measured.Direction {
    init(_ direction: BenchResult.Direction) {
        let window = direction.window
        self.init(
            direction: direction.direction.name, complete: direction.isComplete, streams: direction.streamCount,
            warm: window?.isWarm, windowStartSeconds: window?.start.inSeconds,
            windowSeconds: window?.duration.inSeconds, windowBytes: window?.byteCount,
            bitsPerSecond: window.map { $0.bytesPerSecond * 8 }, minBitsPerSecond: window.map { $0.leastRate * 8 },
            medianBitsPerSecond: window.map { $0.medianRate * 8 }, maxBitsPerSecond: window.map { $0.mostRate * 8 },
            partSeconds: window?.partDuration.inSeconds, totalBytes: direction.byteCount,
            cpuSeconds: direction.processorTime?.inSeconds, peerCpuSeconds: direction.peerProcessorTime?.inSeconds,
            cpuSecondsPerGib: direction.processorSecondsPerGiB(direction.processorTime),
            peerCpuSecondsPerGib: direction.processorSecondsPerGiB(direction.peerProcessorTime),
            sentPackets: direction.sentPacketCount, lostPackets: direction.lostPacketCount,
            repeatedPackets: direction.repeatedPacketCount,
            loadedRoundTrip: direction.roundTrips.map { .init($0) },
            loadedCarrierRoundTrip: direction.carrierRoundTrips.map { .init($0) },
            samples: direction.samples.map { .init(seconds: $0.time.inSeconds, bytes: $0.byteCount) })
    }
}

extension BenchPhase.Direction {
    /// The direction in a word, seen from the side that measures.
    var name: String {
        switch self {
        case .up: "up"
        case .down: "down"
        }
    }
}

extension Duration {
    /// The duration in milliseconds.
    var inMilliseconds: Double { inSeconds * 1000 }
}
