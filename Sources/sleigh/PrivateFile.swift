import Glibc

/// A small file only its owner may read, replaced as a whole so that no reader ever sees half of one.
struct PrivateFile {
    let folder: String
    let name: String

    /// No file of sleigh's own is larger.
    private static let byteLimit = 4 << 20

    var path: String { "\(folder)/\(name)" }

    /// The contents; `nil` when there is no such file.
    func read() throws(Failure) -> String? {
        guard let bytes = try Self.bytes(ofFile: path) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(path) is not UTF-8 text", hint: "Move it away and try again.", code: .localFile)
        }
        return text
    }

    /// Replaces the contents, making the folder if there is none.
    func write(_ text: String) throws(Failure) {
        try makeFolders()
        let temporary = "\(path).\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure("cannot write", temporary) }
        var remaining = Array(text.utf8)[...]
        while !remaining.isEmpty {
            let written = remaining.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { break }
            remaining = remaining.dropFirst(written)
        }
        let isWritten = remaining.isEmpty && fsync(descriptor) == 0
        let failure = Self.failure("cannot write", temporary)
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else {
            unlink(temporary)
            throw failure
        }
    }

    /// Runs a change while no other process makes one through the same call.
    func withLock<Result>(_ change: () throws(Failure) -> Result) throws(Failure) -> Result {
        try makeFolders()
        let descriptor = open("\(path).lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure("cannot lock", "\(path).lock") }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw Self.failure("cannot lock", "\(path).lock") }
        }
        return try change()
    }

    /// The contents of any small file; `nil` when there is none.
    static func bytes(ofFile path: String) throws(Failure) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("cannot read", path)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count <= byteLimit {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure("cannot read", path) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
        throw Failure("\(path) is too large", hint: "Is it the right file?", code: .localFile)
    }

    private func makeFolders() throws(Failure) {
        var path = ""
        for part in folder.split(separator: "/") {
            path += (path.isEmpty && !folder.hasPrefix("/") ? "" : "/") + part
            if mkdir(path, 0o700) != 0 && errno != EEXIST { throw Self.failure("cannot make the folder", path) }
        }
    }

    private static func failure(_ what: String, _ path: String) -> Failure {
        Failure(
            "\(what) \(path): \(String(cString: strerror(errno)))", hint: "Check that it is yours, and not full.",
            code: .localFile)
    }
}
