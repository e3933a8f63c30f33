import Glibc

/// A port of 127.0.0.1 that is taken over TCP and UDP as long as this object lives: a connection to it is refused, a
/// datagram not answered, and nobody else gets it.
package final class HeldPort: Sendable {
    /// A socket cannot be had.
    package struct Unavailable: Error {
        /// 0 for any.
        package let port: UInt16
        /// The `errno` of the call that failed.
        package let code: Int32
    }

    /// The port.
    package let port: UInt16
    private let descriptors: [Int32]

    /// Takes a port.
    ///
    /// - Parameter port: 0 for one that the system chooses.
    /// - Throws: ``Unavailable``, also when it is in use over only one of the two protocols.
    package init(_ port: UInt16 = 0) throws {
        // What the system chooses for one protocol may be in use over the other.
        var attemptsLeft = port == 0 ? 100 : 1
        while true {
            attemptsLeft -= 1
            let (stream, number) = try Self.bound(SOCK_STREAM, to: port)
            guard let datagrams = try? Self.bound(SOCK_DGRAM, to: number).descriptor else {
                close(stream)
                guard attemptsLeft > 0 else { throw Unavailable(port: port, code: EADDRINUSE) }
                continue
            }
            self.port = number
            descriptors = [stream, datagrams]
            return
        }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    private static func bound(
        _ kind: __socket_type, to port: UInt16
    ) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Unavailable(port: port, code: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutableBytes(of: &address) { bytes in
            let pointer = bytes.bindMemory(to: sockaddr.self).baseAddress
            return bind(descriptor, pointer, byteCount) == 0 && getsockname(descriptor, pointer, &byteCount) == 0
        }
        guard isBound else {
            defer { close(descriptor) }
            throw Unavailable(port: port, code: errno)
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}
