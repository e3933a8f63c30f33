internal import CLinux
internal import Glibc

/// An opened and locked `NAME.sleigh-part`, with the decision whether what it holds is the start of an offered file.
struct PartFile: Sendable {
    let file: OwnedDescriptor
    let name: String
    let path: String
    /// How many bytes of the offered file it holds already.
    let byteCount: UInt64
    let start: FileSink.Start
    /// Whether a later offer of the same file can continue it.
    let isResumable: Bool

    private static let attribute = "user.sleigh.offer"

    /// Examines a part; `nil` if it is not for us to write to.
    ///
    /// A part that exists and belongs to another offer is left as it is.
    init?(_ file: OwnedDescriptor, name: String, path: String, offer: FileOffer) throws(LocalFileError) {
        let status: stat
        do {
            status = try file.status()
        } catch {
            throw .failed(action: "examine", path: path, error: error)
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1, status.st_uid == geteuid() else { return nil }
        self.file = file
        self.name = name
        self.path = path
        let held = UInt64(status.st_size)

        if held == 0 {
            start = .fresh
        } else {
            switch Self.mark(of: file) {
            case .unsupported:
                start = .startedOver(.folderKeepsNoAttributes)
            case .value(let mark) where mark == offer.mark:
                if let size = offer.byteCount {
                    start = held <= size ? .resumed(byteCount: held) : .startedOver(.longerThanOffered)
                } else {
                    start = .startedOver(.sizeUnknown)
                }
            case .value, .absent:
                return nil
            }
        }
        if case .resumed(let count) = start {
            byteCount = count
            isResumable = true
        } else {
            byteCount = 0
            guard ftruncate(file.raw, 0) == 0 else {
                throw .failed(action: "empty", path: path, error: SystemError(errno))
            }
            let mark = offer.mark
            isResumable = fsetxattr(file.raw, Self.attribute, mark, mark.count, 0) == 0 && offer.byteCount != nil
        }
    }

    /// How much of the disk the first bytes and what is reserved behind them take already, in bytes.
    func allocatedByteCount(above byteCount: UInt64) -> UInt64 {
        guard byteCount > 0, let status = try? file.status() else { return 0 }
        return max(byteCount, UInt64(max(0, status.st_blocks)) * 512)
    }

    /// Lets others write to the part.
    func unlock() { flock(file.raw, LOCK_UN) }

    /// Reserves space for bytes to come; a file system that cannot is fine.
    func reserve(_ range: Range<UInt64>) throws(SystemError) {
        guard !range.isEmpty else { return }
        if sleigh_reserve(file.raw, Int64(range.lowerBound), Int64(range.count)) != 0 {
            if [ENOSPC, EDQUOT, EFBIG].contains(errno) { throw SystemError(errno) }
        }
    }

    /// Cuts the file, also of space reserved beyond its end.
    func truncate(to byteCount: UInt64) throws(SystemError) {
        guard ftruncate(file.raw, off_t(byteCount)) == 0 else { throw SystemError(errno) }
    }

    /// Forgets the offer: a finished file has no trace of it.
    func removeMark() { fremovexattr(file.raw, Self.attribute) }

    private enum Mark {
        case value([UInt8])
        case absent
        case unsupported
    }

    private static func mark(of file: OwnedDescriptor) -> Mark {
        var value = [UInt8](repeating: 0, count: 256)
        let count = fgetxattr(file.raw, attribute, &value, value.count)
        if count >= 0 { return .value(Array(value[..<count])) }
        return errno == ENOTSUP ? .unsupported : .absent
    }
}
