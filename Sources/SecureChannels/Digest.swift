internal import COpenSSL

/// A hash being computed over bytes that come in pieces.
///
/// It can be handed from task to task but is never shared: it cannot be copied.
public struct Digest: ~Copyable, @unchecked Sendable {
    // Sendable: the context is reached only through this one owner.
    private let context: OpaquePointer

    /// The function being computed.
    public let algorithm: DigestAlgorithm

    /// Starts a hash with no bytes.
    public init(_ algorithm: DigestAlgorithm) {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, algorithm.evp, nil) == 1 else {
            preconditionFailure("OpenSSL computes \(algorithm.rawValue)")
        }
        self.context = context
        self.algorithm = algorithm
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Appends bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        let done = EVP_DigestUpdate(context, start, bytes.count)
        precondition(done == 1, "OpenSSL computes \(algorithm.rawValue)")
    }

    /// Appends bytes.
    public mutating func update(_ bytes: some Collection<UInt8>) {
        let done: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(bytes).withUnsafeBytes { update($0) } }
    }

    /// The hash value of all bytes so far. More may follow.
    public func value() -> [UInt8] {
        let copy = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(copy) }
        return [UInt8](unsafeUninitializedCapacity: algorithm.byteCount) { value, count in
            let done =
                EVP_MD_CTX_copy_ex(copy, context) == 1
                && EVP_DigestFinal_ex(copy, value.baseAddress, nil) == 1
            precondition(done, "OpenSSL computes \(algorithm.rawValue)")
            count = algorithm.byteCount
        }
    }
}
