internal import Glibc
internal import NIOCore

extension IOError {
    /// The system's words for the error, such as “Connection refused”.
    var text: String { String(cString: strerror(errnoCode)) }
}
