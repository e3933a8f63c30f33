import FileTransfer
import TerminalUI

/// What files cost in a folder, for a person and for programs.
struct DiskReport: Encodable {
    struct Measure: Encodable {
        var bytesPerSecond: Double
        var seconds: Double
        var cpuSecondsPerGib: Double

        init(_ measure: DiskBench.Measure, byteCount: UInt64) {
            seconds = measure.duration.inSeconds
            bytesPerSecond = Double(byteCount) / max(seconds, 1e-9)
            cpuSecondsPerGib = measure.processorTime.inSeconds / (Double(byteCount) / Double(1 << 30))
        }
    }

    let event = "disk"
    var folder: String
    var bytes: UInt64
    var write: Measure
    var synchronisationSeconds: Double
    var read: Measure
    var readAndHash: Measure
    var hash: Measure

    init(_ result: DiskBench.Result, folder: String) {
        self.folder = folder
        bytes = result.byteCount
        write = Measure(result.write, byteCount: bytes)
        synchronisationSeconds = result.synchronisation.inSeconds
        read = Measure(result.read, byteCount: bytes)
        readAndHash = Measure(result.readAndHash, byteCount: bytes)
        hash = Measure(result.hash, byteCount: bytes)
    }

    /// The table.
    var lines: [String] {
        var table = Table([.left, .right, .right, .right])
        table.append(["\(Format.bytes(bytes)) in \(folder)", "rate", "", "CPU s/GiB"])
        for (name, measure) in [
            ("receiving: written, hashed, on the disk", write), ("sending: read and hashed", readAndHash),
            ("reading alone, from the cache", read), ("SHA-256 alone", hash),
        ] {
            let cpu = Int((measure.cpuSecondsPerGib * 100).rounded())
            table.append([
                name, Format.rate(bytesPerSecond: measure.bytesPerSecond),
                Format.bitRate(bytesPerSecond: measure.bytesPerSecond),
                "\(cpu / 100).\(cpu % 100 < 10 ? "0" : "")\(cpu % 100)",
            ])
        }
        let waiting = Format.duration(.seconds(synchronisationSeconds))
        return table.lines + ["\(waiting) of the receiving was waiting for the disk at the end."]
    }
}
