import Glibc
import SecureChannels

/// Who we are, and who the peer is.
struct Ends {
    let certificate: DeviceCertificate
    let peer: Fingerprint
}

/// Wall clock and CPU time from its creation on.
struct Measurement {
    private let start = ContinuousClock.now
    private let cpu = cpuSeconds()

    /// Prints rate, cost and memory of a side, and what else is known of it.
    func report(isSender: Bool, byteCount: Int, _ more: String...) {
        let elapsed = ContinuousClock.now - start
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        let used = cpuSeconds() - cpu
        let rate = Double(byteCount) * 8 / seconds / 1e6
        let cost = used / (Double(byteCount) / Double(1 << 30))
        let side = isSender ? "sender  " : "receiver"
        let figures = [
            "\(Int(rate)) Mbit/s", "CPU \(hundredths(cost)) s/GiB", "\(hundredths(seconds)) s",
            "peak \(peakMebibytes()) MiB",
        ]
        print(([side] + figures + more).joined(separator: " "))
    }
}

private func hundredths(_ value: Double) -> Double { Double(Int(value * 100)) / 100 }

private func cpuSeconds() -> Double {
    let usage = resourceUsage()
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

private func peakMebibytes() -> Int { resourceUsage().ru_maxrss / 1024 }

private func resourceUsage() -> rusage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage
}

func ipv4(_ address: String, _ port: String) -> sockaddr_in {
    var result = sockaddr_in()
    result.sin_family = sa_family_t(AF_INET)
    result.sin_port = (UInt16(port) ?? 0).bigEndian
    inet_pton(AF_INET, address, &result.sin_addr)
    return result
}

/// Calls with an address as the socket calls want it.
func withAddress(_ address: sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    withUnsafePointer(to: address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}

func readFile(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
}
