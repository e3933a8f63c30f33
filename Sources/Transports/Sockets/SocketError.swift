internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Why a local socket cannot be used.
package struct SocketError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What the system says, such as "connection refused".
    package let description: String
    /// Whether the address is in use.
    package let isAddressInUse: Bool

    init(_ description: String, isAddressInUse: Bool = false) {
        self.description = description
        self.isAddressInUse = isAddressInUse
    }

    init(code: CInt) {
        description = Self.words(code)
        isAddressInUse = code == EADDRINUSE
    }

    /// What an error of NIO means.
    init(_ error: any Error) {
        switch error {
        case let error as SocketError: self = error
        case let error as IOError: self.init(code: error.errnoCode)
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first {
                self.init(first.error)
            } else {
                self.init("there is no such host")
            }
        case is NIOCore.SocketAddressError: self.init("there is no such host")
        case ChannelError.connectTimeout: self.init("nobody answered in time")
        default: self.init("\(error)")
        }
    }

    private static func words(_ code: CInt) -> String {
        var text = [CChar](repeating: 0, count: 128)
        guard strerror_r(code, &text, text.count - 1) == 0 else { return "error \(code)" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).lowercased()
    }
}
