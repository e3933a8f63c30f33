// Memory to memory over one QUIC connection, one process a side:
//   QUICBenchmark keys DIRECTORY
//   QUICBenchmark receive DIRECTORY LOCAL-ADDRESS PORT REMOTE-ADDRESS PORT
//   QUICBenchmark send    DIRECTORY LOCAL-ADDRESS PORT REMOTE-ADDRESS PORT GIBIBYTES [cubic|bbr|bbr2] [PAYLOAD]
import Glibc
import SecureChannels
import Transports

func ipv4(_ address: String, _ port: String) -> sockaddr_in {
    var result = sockaddr_in()
    result.sin_family = sa_family_t(AF_INET)
    result.sin_port = (UInt16(port) ?? 0).bigEndian
    inet_pton(AF_INET, address, &result.sin_addr)
    return result
}

func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

func peakMebibytes() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
}

func readFile(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
}

func report(_ side: String, _ byteCount: Int, _ seconds: Double, _ cpu: Double, _ statistics: QUICStatistics) {
    let gibibytes = Double(byteCount) / Double(1 << 30)
    let rate = Double(byteCount) * 8 / seconds / 1e6
    print(
        side, "\(Int(rate)) Mbit/s", "CPU \(Double(Int(cpu / gibibytes * 100)) / 100) s/GiB",
        "\(Double(Int(seconds * 100)) / 100) s", "peak \(peakMebibytes()) MiB",
        "payload \(statistics.payloadByteCount)",
        "lost \(statistics.lostPacketCount) of \(statistics.sentPacketCount) packets")
}

let arguments = CommandLine.arguments
guard arguments.count >= 3 else { exit(2) }
let directory = arguments[2]
let names = ["send", "receive"]
if arguments[1] == "keys" {
    for name in names {
        let certificate = try DeviceCertificate.generate()
        guard let file = fopen("\(directory)/\(name).pem", "w") else { exit(1) }
        fputs(certificate.pem, file)
        fclose(file)
    }
    exit(0)
}
guard arguments.count >= 7, let own = names.firstIndex(of: arguments[1]) else { exit(2) }
let certificate = try DeviceCertificate(pem: readFile("\(directory)/\(names[own]).pem"))
let peer = try DeviceCertificate(pem: readFile("\(directory)/\(names[1 - own]).pem")).fingerprint

let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
var local = ipv4(arguments[3], arguments[4])
let bound = withUnsafePointer(to: &local) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, 16) }
}
guard bound == 0 else { exit(1) }
var remoteAddress = ipv4(arguments[5], arguments[6])
let remote = withUnsafeBytes(of: &remoteAddress) { SocketAddress($0) }
guard let path = SocketDatagramPath(descriptor: descriptor, remote: remote) else { exit(1) }

var options = QUICOptions()
if arguments.count > 8, let control = QUICCongestionControl(rawValue: arguments[8]) {
    options.congestionControl = control
}
if arguments.count > 9, let payload = Int(arguments[9]) {
    options.payloadByteCount = payload
    options.discoversMTU = false
}
let clock = ContinuousClock()
if own == 0 {
    let channel = try await QUICChannel.connect(
        role: .client, certificate: certificate, peerFingerprint: peer, path: path, options: options)
    let total = Int((Double(arguments.count > 7 ? arguments[7] : "1") ?? 1) * Double(1 << 30))
    let pool = BlockPool()
    // 64 MiB in turn, so that the source does not sit in a cache as no file would.
    let blocks = (0..<256).map { number in
        let block = pool.take()
        for index in block.storage.indices { block.storage[index] = UInt8(truncatingIfNeeded: index &* 31 &+ number) }
        block.count = block.capacity
        return block
    }
    var next = 0
    let stream = try await channel.openStream(contentName: "benchmark")
    let start = clock.now
    let cpu = cpuSeconds()
    var sent = 0
    while sent < total {
        let block = blocks[next % blocks.count]
        next += 1
        try await stream.write(block)
        sent += block.count
    }
    try await stream.finish()
    let elapsed = clock.now - start
    report(
        "sender  ", sent, Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18,
        cpuSeconds() - cpu, channel.statistics)
    // The receiver ends its direction too: closing before that would cut it off.
    while try await stream.read() != nil {}
    await channel.close()
} else {
    let channel = try await QUICChannel.connect(
        role: .server, certificate: certificate, peerFingerprint: peer, path: path, options: options)
    let (_, stream) = try await channel.acceptStream()
    let start = clock.now
    let cpu = cpuSeconds()
    var received = 0
    while let block = try await stream.read() { received += block.count }
    let elapsed = clock.now - start
    report(
        "receiver", received, Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18,
        cpuSeconds() - cpu, channel.statistics)
    // The sender may close before it has heard of our end.
    try? await stream.finish()
    _ = try await channel.waitUntilClosed()
}
