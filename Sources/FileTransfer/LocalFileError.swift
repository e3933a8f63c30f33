/// Why a file could not be read from, or written to, the local disk.
public enum LocalFileError: Error, Sendable, Hashable {
    /// There is no such file or folder.
    case notFound(path: String)
    /// We may not open, read or write it.
    case permissionDenied(path: String)
    /// The file system is mounted read-only.
    case readOnly(path: String)
    /// It is a folder, a pipe, a device: something that has no fixed bytes to send.
    case notRegularFile(path: String, kind: FileKind)
    /// It is to be a folder and is not.
    case notFolder(path: String)
    /// The source is no longer what was offered.
    case changedWhileReading(path: String, change: SourceChange)
    /// The disk is too full. `needed` is what was still to be written, if known, `free` what a user may still take.
    case noSpace(folder: String, needed: UInt64?, free: UInt64)
    /// The user's quota on that disk is used up.
    case quotaExceeded(folder: String)
    /// The file is larger than the file system, or a limit set for the process, allows.
    case tooLarge(name: String)
    /// Something is in the way at the place of the finished file and cannot be replaced.
    case exists(path: String)
    /// A thousand files of that name are there already.
    case noFreeName(name: String)
    /// The peer sends more than it offered.
    case moreThanOffered(name: String, offered: UInt64)
    /// The peer ended the file at the wrong place.
    case wrongSize(name: String, offered: UInt64, received: UInt64)
    /// The bytes are not those whose hash value the peer gave; the part was deleted. Values in lower-case hexadecimal.
    case wrongDigest(name: String, expected: String, received: String)
    /// The transfer was given up before.
    case aborted(name: String)
    /// Another system call failed.
    case failed(action: String, path: String, error: SystemError)
}

/// What became of a file while it was read.
public enum SourceChange: Sendable, Hashable {
    /// It is shorter than before.
    case shrank
    /// It is longer than before.
    case grew
    /// It was written to.
    case modified
    /// It cannot be read any more: a broken disk, a network file system that lost it.
    case unreadable(SystemError)
}

/// What a path can lead to other than a regular file.
public enum FileKind: String, Sendable, Hashable {
    case folder
    case namedPipe = "named pipe"
    case socket
    case device
    case other = "special file"
}

extension LocalFileError: CustomStringConvertible {
    /// A sentence without a hint; names in it are as the user or ``LocalFileName`` wrote them.
    public var description: String {
        switch self {
        case .notFound(let path): "\(path) does not exist"
        case .permissionDenied(let path): "no permission for \(path)"
        case .readOnly(let path): "\(path) is on a read-only file system"
        case .notRegularFile(let path, let kind): "\(path) is a \(kind.rawValue), not a regular file"
        case .notFolder(let path): "\(path) is not a folder"
        case .changedWhileReading(let path, let change): "\(path) changed while it was being sent: \(change)"
        case .noSpace(let folder, let needed?, let free):
            "not enough space in \(folder): \(needed) bytes needed, \(free) free"
        case .noSpace(let folder, nil, let free): "not enough space in \(folder): \(free) bytes free"
        case .quotaExceeded(let folder): "the disk quota for \(folder) is used up"
        case .tooLarge(let name): "\(name) is larger than a file may be there"
        case .exists(let path): "\(path) exists and cannot be replaced"
        case .noFreeName(let name): "there are too many files named \(name) already"
        case .moreThanOffered(let name, let offered):
            "the peer sent more than the \(offered) bytes it offered of \(name)"
        case .wrongSize(let name, let offered, let received):
            "\(name) ended after \(received) of \(offered) bytes"
        case .wrongDigest(let name, let expected, let received):
            "\(name) arrived damaged and was deleted: its checksum is \(received), not \(expected)"
        case .aborted(let name): "the transfer of \(name) was given up"
        case .failed(let action, let path, let error): "cannot \(action) \(path): \(error)"
        }
    }
}

extension SourceChange: CustomStringConvertible {
    /// A few words to follow "it changed".
    public var description: String {
        switch self {
        case .shrank: "it is shorter now"
        case .grew: "it is longer now"
        case .modified: "it was written to"
        case .unreadable(let error): "it cannot be read any more (\(error))"
        }
    }
}
