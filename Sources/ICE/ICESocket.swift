public import Glibc

/// A UDP socket taken over from an agent, or shared with it. The descriptor is our own and is closed when the last
/// reference goes.
///
/// The socket is non-blocking and not connected; send to ``remote``. Stray STUN packets of the peer's agent still
/// arrive and are to be ignored (QUIC does), and whoever sends from another address than ``remote`` can be heard.
public final class ICESocket: Sendable {
    /// The descriptor, good as long as this object is referenced.
    public let descriptor: Int32
    /// The peer's address, for `sendmsg`.
    public let remote: sockaddr_storage
    /// The address the socket is bound to.
    public let local: sockaddr_storage

    /// Takes ownership of a descriptor.
    package init(descriptor: Int32, remote: ICEAddress) {
        self.descriptor = descriptor
        self.remote = remote.socketAddress
        var local = sockaddr_storage()
        var byteCount = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &local) { bytes in
            _ = getsockname(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, &byteCount)
        }
        self.local = local
    }

    deinit { close(descriptor) }

    /// The length in bytes of ``remote`` for the socket calls.
    public var remoteByteCount: socklen_t {
        socklen_t(
            Int32(remote.ss_family) == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
    }
}
