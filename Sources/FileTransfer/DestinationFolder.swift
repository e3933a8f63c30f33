internal import CLinux
internal import Glibc
public import SecureChannels
public import Transports

/// A folder that receives files, held open: everything happens beneath it even when its path comes to mean another one.
public final class DestinationFolder: Sendable {
    /// The path as it was given.
    public let path: String

    private let folder: OwnedDescriptor
    /// The permissions of a new file, by the process's umask.
    private let fileMode: mode_t

    /// Opens a folder.
    ///
    /// - Throws: `notFound`, `notFolder`, `permissionDenied` (also if no files can be made in it) or `readOnly`.
    public init(path: String) throws(LocalFileError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .opening(path, SystemError(errno)) }
        folder = OwnedDescriptor(descriptor)
        guard faccessat(descriptor, ".", W_OK | X_OK, 0) == 0 else { throw .opening(path, SystemError(errno)) }
        self.path = path
        fileMode = 0o666 & ~Self.processUmask
    }

    /// How many more bytes a user may store here.
    public func freeByteCount() throws(LocalFileError) -> UInt64 {
        var status = statvfs()
        guard fstatvfs(folder.raw, &status) == 0 else {
            throw .failed(action: "examine", path: path, error: SystemError(errno))
        }
        // Some network file systems do not know.
        if status.f_blocks == 0 { return .max }
        return UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue
    }

    /// Checks that a file of that size fits.
    ///
    /// - Throws: `noSpace` if it does not.
    public func checkSpace(for byteCount: UInt64) throws(LocalFileError) {
        let free = try freeByteCount()
        if byteCount > free { throw .noSpace(folder: path, needed: byteCount, free: free) }
    }

    /// Makes ready to write an accepted file: continues its part if there is one, else starts a new one.
    ///
    /// Nobody else, in this process or another, writes to the same part meanwhile: a part that is in use or belongs
    /// to another offer is left alone, and a numbered one taken.
    ///
    /// - Parameters:
    ///   - existing: what to do if there is a file of that name in the end.
    ///   - algorithm: the hash function of the digest that ``FileSink/finish(expecting:)`` compares.
    ///   - blocks: where memory for reading back a resumed part comes from.
    /// - Throws: `noSpace`, `tooLarge`, `permissionDenied`, `readOnly`, `noFreeName` or `failed`.
    public func receive(
        _ offer: FileOffer, existing: ExistingFile = .keep, algorithm: DigestAlgorithm = .sha256, blocks: BlockPool
    ) async throws(LocalFileError) -> FileSink {
        try await WorkerThread.run { () throws(LocalFileError) in
            let name = LocalFileName(peerName: offer.name)
            // Before all of it has travelled.
            if existing == .replace, self.isFolder(name.string) { throw .exists(path: self.pathOf(name.string)) }
            let part = try self.openPart(name, offer)
            do throws(LocalFileError) {
                return try FileSink(
                    folder: self, name: name, part: part, offer: offer, existing: existing, algorithm: algorithm,
                    blocks: blocks)
            } catch {
                if part.byteCount == 0 { self.remove(part.name) }
                throw error
            }
        }
    }

    private func isFolder(_ name: String) -> Bool {
        var status = stat()
        return fstatat(folder.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    // MARK: Parts

    private func openPart(_ name: LocalFileName, _ offer: FileOffer) throws(LocalFileError) -> PartFile {
        for number in 0...LocalFileName.highestNumber {
            let partName = name.numbered(number) + LocalFileName.partSuffix
            // Twice, since whoever holds the part may finish it between our opening and our locking.
            for _ in 0..<2 {
                guard let file = try openOrCreate(partName) else { break }
                guard flock(file.raw, LOCK_EX | LOCK_NB) == 0 else { break }
                guard isStill(file, at: partName) else { continue }
                guard let part = try PartFile(file, name: partName, path: pathOf(partName), offer: offer) else { break }
                return part
            }
        }
        throw .noFreeName(name: name.string)
    }

    /// Opens or creates a part; `nil` if the name is taken by something that no part of ours can be.
    private func openOrCreate(_ name: String) throws(LocalFileError) -> OwnedDescriptor? {
        let descriptor = openBeneath(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0o600)
        guard descriptor >= 0 else {
            switch errno {
            case ELOOP, EISDIR, ENXIO, EXDEV: return nil
            case ENOSPC: throw .noSpace(folder: path, needed: nil, free: try freeByteCount())
            case EDQUOT: throw .quotaExceeded(folder: path)
            case EACCES where exists(name): return nil
            default: throw .opening(pathOf(name), SystemError(errno))
            }
        }
        return OwnedDescriptor(descriptor)
    }

    private func openBeneath(_ name: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
        precondition(!name.utf8.contains(UInt8(ascii: "/")), "a name, not a path")
        let descriptor = sleigh_open_beneath(folder.raw, name, flags, mode)
        // Linux before 5.6, or a container that forbids the call. For a single component O_NOFOLLOW does the same.
        if descriptor < 0, errno == ENOSYS || errno == EPERM {
            return openat(folder.raw, name, flags | O_NOFOLLOW, mode)
        }
        return descriptor
    }

    /// Whether a name still leads to the open file, which is ours and has no other name.
    private func isStill(_ file: OwnedDescriptor, at name: String) -> Bool {
        var named = stat()
        guard let opened = try? file.status(), fstatat(folder.raw, name, &named, AT_SYMLINK_NOFOLLOW) == 0 else {
            return false
        }
        return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino
    }

    private func exists(_ name: String) -> Bool {
        var status = stat()
        return fstatat(folder.raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    }

    func remove(_ name: String) { unlinkat(folder.raw, name, 0) }

    func pathOf(_ name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

    // MARK: Finishing

    /// Gives a complete part its final permissions and name, and waits until the disk has it all.
    ///
    /// - Returns: the name it got.
    func publish(
        _ part: PartFile, as name: LocalFileName, existing: ExistingFile
    ) throws(LocalFileError) -> String {
        fchmod(part.file.raw, fileMode)
        do {
            try part.file.synchronise()
        } catch {
            throw .writing(part.path, folder: self, needed: nil, error)
        }
        let final = try rename(part.name, to: name, existing)
        part.removeMark()
        do {
            try folder.synchronise()
        } catch {
            throw .failed(action: "synchronise", path: path, error: error)
        }
        return final
    }

    private func rename(
        _ part: String, to name: LocalFileName, _ existing: ExistingFile
    ) throws(LocalFileError) -> String {
        if existing == .replace {
            guard renameat(folder.raw, part, folder.raw, name.string) == 0 else {
                let error = SystemError(errno)
                if [EISDIR, ENOTEMPTY, EEXIST, EBUSY].contains(error.code) { throw .exists(path: pathOf(name.string)) }
                throw .failed(action: "rename", path: pathOf(part), error: error)
            }
            return name.string
        }
        for number in 0...LocalFileName.highestNumber {
            let final = name.numbered(number)
            guard let error = renameExclusively(part, to: final) else { return final }
            if error.code != EEXIST { throw .failed(action: "rename", path: pathOf(part), error: error) }
        }
        throw .noFreeName(name: name.string)
    }

    /// Renames without replacing, by the best means the file system has.
    private func renameExclusively(_ part: String, to final: String) -> SystemError? {
        if sleigh_rename_exclusively(folder.raw, part, final) == 0 { return nil }
        guard [ENOSYS, EINVAL, ENOTSUP, EPERM].contains(errno) else { return SystemError(errno) }
        if linkat(folder.raw, part, folder.raw, final, 0) == 0 {
            unlinkat(folder.raw, part, 0)
            return nil
        }
        if errno == EEXIST || exists(final) { return SystemError(EEXIST) }
        return renameat(folder.raw, part, folder.raw, final) == 0 ? nil : SystemError(errno)
    }

    /// The umask, read without changing it, as another thread may be creating a file; 077 if it cannot be known.
    private static var processUmask: mode_t {
        let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0o077 }
        let file = OwnedDescriptor(descriptor)
        let text = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            let count = (try? file.read(into: buffer, at: 0)) ?? 0
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
        let line = text.split(separator: "\n").first { $0.hasPrefix("Umask:") }
        return line?.split(separator: "\t").last.flatMap { mode_t($0, radix: 8) } ?? 0o077
    }
}

/// What to do if there is a file of the same name as one received.
public enum ExistingFile: Sendable, Hashable {
    /// Leave it; the new one is called `NAME (1)`.
    case keep
    /// Replace it, once the new one is complete.
    case replace
}

extension LocalFileError {
    /// Why something could not be written.
    static func writing(
        _ path: String, folder: DestinationFolder, needed: UInt64?, _ error: SystemError
    ) -> LocalFileError {
        switch error.code {
        case ENOSPC: .noSpace(folder: folder.path, needed: needed, free: (try? folder.freeByteCount()) ?? 0)
        case EDQUOT: .quotaExceeded(folder: folder.path)
        case EFBIG: .tooLarge(name: path)
        case EROFS: .readOnly(path: path)
        default: .failed(action: "write", path: path, error: error)
        }
    }
}
