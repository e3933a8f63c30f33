import CLinux
import Foundation
import Glibc
import Jingle
import Testing

@testable import Transports

/// Unix sockets that are listened at, and what else may be at their place.
struct SocketListenerTests {
    private func inFolder(_ body: (URL) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sleigh-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder)
    }

    private func listen(at path: String) async throws -> SocketListener {
        try await SocketListener.listen(at: .unix(path: path), budget: BlockBudget())
    }

    @Test func fileIsLeftAlone() async throws {
        try await inFolder { folder in
            let file = folder.appending(path: "file")
            try Data("precious".utf8).write(to: file)
            await #expect(throws: SocketError.self) { try await listen(at: file.path) }
            #expect(try Data(contentsOf: file) == Data("precious".utf8))
        }
    }

    @Test func socketInUseIsLeftAlone() async throws {
        try await inFolder { folder in
            let path = folder.appending(path: "socket").path
            let listener = try await listen(at: path)
            await #expect(throws: SocketError.self) { try await listen(at: path) }
            #expect(FileManager.default.fileExists(atPath: path))
            listener.close()
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func socketThatNobodyHasAnyMoreIsReplaced() async throws {
        try await inFolder { folder in
            let path = folder.appending(path: "socket").path
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let isBound = withUnsafeBytes(of: &address) { bytes in
                bind(
                    descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress,
                    socklen_t(MemoryLayout<sockaddr_un>.size))
            }
            #expect(isBound == 0)
            close(descriptor)
            let listener = try await listen(at: path)
            listener.close()
        }
    }
}
