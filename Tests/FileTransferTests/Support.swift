import Foundation
import SecureChannels
import TestSupport
import Testing
import Transports

@testable import FileTransfer

/// A folder that is removed with everything in it when it is released.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "sleigh-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of something in it.
    func at(_ name: String) -> String { path + "/" + name }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: at(name)))
    }

    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: at(name)))) }

    /// The names of everything in it, sorted.
    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
}

/// Bytes that look random and are the same in every run.
func someBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    var bytes = [UInt8]()
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
    return Array(bytes[..<count])
}

/// A block with these bytes.
func block(_ bytes: some Collection<UInt8>, from pool: BlockPool) -> Block {
    let block = pool.take()
    block.storage.copyBytes(from: bytes)
    block.count = bytes.count
    return block
}

extension FileSink {
    /// Writes bytes, a block at a time.
    func write(_ bytes: some Collection<UInt8>, from pool: BlockPool) async throws {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            try await write(block(rest.prefix(pool.blockByteCount), from: pool))
            rest = rest.dropFirst(pool.blockByteCount)
        }
    }
}

extension FileReading {
    /// Reads everything that is left.
    func rest() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let block = try await next() { bytes += block.bytes }
        return bytes
    }
}

func sha256(_ bytes: [UInt8]) -> [UInt8] { DigestAlgorithm.sha256.hash(bytes) }
