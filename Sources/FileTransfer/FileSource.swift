internal import Glibc
public import SecureChannels
public import Transports

/// A regular file that is opened for sending, with what was true of it then.
///
/// The file stays open, so renaming or deleting it does no harm; writing to it is found out and ends the reading.
public final class FileSource: Sendable {
    /// The path as it was given.
    public let path: String
    /// The last component of the path.
    public let name: String
    /// The size in bytes.
    public let byteCount: UInt64
    /// When the file was last written to.
    public let modified: FileTime

    private let file: OwnedDescriptor

    /// Opens a file; a symbolic link is followed.
    ///
    /// - Throws: `notFound`, `permissionDenied`, `notRegularFile` or `failed`.
    public init(path: String) throws(LocalFileError) {
        // O_NONBLOCK: opening a named pipe must not wait for its writer.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .opening(path, SystemError(errno)) }
        file = OwnedDescriptor(descriptor)
        let status: stat
        do {
            status = try file.status()
        } catch {
            throw .failed(action: "examine", path: path, error: error)
        }
        if let kind = FileKind(mode: status.st_mode) { throw .notRegularFile(path: path, kind: kind) }
        self.path = path
        // By bytes: a combining mark behind the slash would make one character of both.
        name = path.utf8.split(separator: UInt8(ascii: "/")).last.flatMap { String($0) } ?? ""
        byteCount = UInt64(status.st_size)
        modified = FileTime(status)
    }

    /// Starts to read the file ahead, and to hash all of it beside.
    ///
    /// - Parameters:
    ///   - offset: where to start; at most ``byteCount``.
    ///   - byteCount: how many bytes to read; to the end of the file if left out or if there are fewer.
    ///   - algorithm: what ``FileReading/digest()`` is.
    ///   - blocks: where memory comes from. No more than a dozen blocks are in use beside those the caller holds.
    /// - Throws: `failed` if a thread cannot be started.
    public func read(
        from offset: UInt64 = 0, byteCount: UInt64? = nil, algorithm: DigestAlgorithm = .sha256, blocks: BlockPool
    ) throws(LocalFileError) -> FileReading {
        precondition(offset <= self.byteCount)
        let rest = self.byteCount - offset
        return try FileReading(
            file: file, path: path, range: offset..<offset + min(byteCount ?? rest, rest),
            fileByteCount: self.byteCount,
            modified: modified, algorithm: algorithm, blocks: blocks)
    }
}

extension FileTime {
    /// When an open file was last written to.
    init(_ status: stat) {
        self.init(seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }
}

extension FileKind {
    /// What it is if it is no regular file.
    init?(mode: mode_t) {
        switch mode & S_IFMT {
        case S_IFREG: return nil
        case S_IFDIR: self = .folder
        case S_IFIFO: self = .namedPipe
        case S_IFSOCK: self = .socket
        case S_IFCHR, S_IFBLK: self = .device
        default: self = .other
        }
    }
}

extension LocalFileError {
    /// Why something could not be opened.
    static func opening(_ path: String, _ error: SystemError) -> LocalFileError {
        switch error.code {
        case ENOENT: .notFound(path: path)
        case EACCES, EPERM: .permissionDenied(path: path)
        case EROFS: .readOnly(path: path)
        case ENOTDIR: .notFolder(path: path)
        case EISDIR: .notRegularFile(path: path, kind: .folder)
        case ENXIO: .notRegularFile(path: path, kind: .socket)
        default: .failed(action: "open", path: path, error: error)
        }
    }
}
