internal import Glibc

/// An open file descriptor with one owner: it is closed when the last reference goes.
final class OwnedDescriptor: Sendable {
    let raw: Int32

    init(_ raw: Int32) { self.raw = raw }

    deinit { close(raw) }

    /// What the kernel knows of the open file.
    func status() throws(SystemError) -> stat {
        var status = stat()
        guard fstat(raw, &status) == 0 else { throw SystemError(errno) }
        return status
    }

    /// Reads until the buffer is full or the file ends.
    ///
    /// - Returns: the number of bytes read; less than asked for only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
        guard let start = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            let count = pread(raw, start + done, buffer.count - done, off_t(offset) + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(errno)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all the bytes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) {
        guard let start = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count {
            let count = pwrite(raw, start + done, bytes.count - done, off_t(offset) + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(errno)
            }
            done += count
        }
    }

    /// Waits until the disk has everything.
    func synchronise() throws(SystemError) {
        while fsync(raw) != 0 {
            if errno == EINTR { continue }
            // Some folders (on FUSE, mostly) and special file systems cannot be synchronised; nothing is lost by that.
            if errno == EINVAL || errno == ENOTSUP { return }
            throw SystemError(errno)
        }
    }
}
