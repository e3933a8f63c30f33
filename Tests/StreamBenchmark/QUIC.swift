import Glibc
import SecureChannels
import Transports

/// One QUIC connection.
func runQUIC(_ arguments: Arguments, _ ends: Ends) async throws {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    guard withAddress(arguments.localAddress, { bind(descriptor, $0, $1) }) == 0 else { exit(1) }
    let remote = withUnsafeBytes(of: arguments.remoteAddress) { SocketAddress($0) }
    guard let path = SocketDatagramPath(descriptor: descriptor, remote: remote) else { exit(1) }

    var options = QUICOptions()
    if let control = arguments.word(7).flatMap(QUICCongestionControl.init(rawValue:)) {
        options.congestionControl = control
    }
    if let payload = arguments.word(8).flatMap(Int.init) {
        options.payloadByteCount = payload
        options.discoversMTU = false
    }
    let channel = try await QUICChannel.connect(
        role: arguments.isSender ? .client : .server, certificate: ends.certificate, peerFingerprint: ends.peer,
        path: path, options: options)
    func report(_ measurement: Measurement, _ byteCount: Int) {
        let statistics = channel.statistics
        measurement.report(
            isSender: arguments.isSender, byteCount: byteCount, "payload \(statistics.payloadByteCount)",
            "lost \(statistics.lostPacketCount) of \(statistics.sentPacketCount) packets")
    }
    if arguments.isSender {
        let blocks = makeBlocks(BlockPool())
        let stream = try await channel.openStream(contentName: "benchmark")
        let measurement = Measurement()
        report(measurement, try await send(arguments.byteCount, blocks, on: stream))
        // The receiver ends its direction too: closing before that would cut it off.
        while try await stream.read() != nil {}
        await channel.close()
    } else {
        let (_, stream) = try await channel.acceptStream()
        let measurement = Measurement()
        report(measurement, try await receive(from: stream))
        // The sender may close as soon as it sees the end, before it has acknowledged it.
        try? await stream.finish()
        _ = try await channel.waitUntilClosed()
    }
}
