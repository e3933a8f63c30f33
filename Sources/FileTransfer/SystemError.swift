internal import Glibc

/// What a system call said when it failed.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The `errno` value.
    public let code: Int32

    /// Wraps an `errno` value.
    public init(_ code: Int32) { self.code = code }

    /// The C library's words for it, such as "No space left on device".
    public var description: String {
        var text = [CChar](repeating: 0, count: 128)
        guard strerror_r(code, &text, text.count - 1) == 0 else { return "error \(code)" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
