internal import NIOCore

/// The connection that a client's stream has at the moment.
struct StreamLink: Sendable {
    private let channel: any Channel
    private let cause: OneShot<ClientError>
    /// Of the network interface; `nil` when the system does not show it.
    private let localAddress: String?
    /// Comes after each ``wake()``, however many there were, for whoever writes to the connection.
    let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// - Parameter cause: takes why the connection was cut here.
    init(channel: any Channel, cause: OneShot<ClientError>) {
        self.channel = channel
        self.cause = cause
        let address = channel.localAddress?.ipAddress
        localAddress = Self.isHere(address) == true ? address : nil
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Says that there is something to write.
    func wake() { signal.yield() }

    /// Ends a connection that is of no use any more.
    func cut(_ reason: ClientError) {
        cause.fulfil(reason)
        channel.close(promise: nil)
    }

    /// Whether this host still has the address that the connection comes from: without it nothing more gets through.
    var hasLocalAddress: Bool { Self.isHere(localAddress) ?? true }

    /// Whether an interface has that address; `nil` when it is not known.
    static func isHere(_ address: String?) -> Bool? {
        guard let address, let devices = try? System.enumerateDevices() else { return nil }
        return devices.contains { $0.address?.ipAddress == address }
    }
}
