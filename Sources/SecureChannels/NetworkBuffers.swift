internal import COpenSSL

/// The bytes between an OpenSSL connection and the network: OpenSSL reads and writes memory that the caller lends for a
/// call, and only what does not fit there is kept here.
final class NetworkBuffers {
    /// What OpenSSL reads after what is kept.
    var lentInput = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Where OpenSSL writes as long as there is room and nothing is kept.
    var lentOutput = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    private var input: [UInt8] = []
    private var inputIndex = 0
    private var output: [UInt8] = []
    private var outputIndex = 0
    private let method: OpaquePointer
    fileprivate let bio: OpaquePointer

    init?() {
        guard let method = BIO_meth_new(BIO_TYPE_MEM, "network") else { return nil }
        BIO_meth_set_read(method, networkRead)
        BIO_meth_set_write(method, networkWritten)
        BIO_meth_set_ctrl(method, networkControlled)
        guard let bio = BIO_new(method) else {
            BIO_meth_free(method)
            return nil
        }
        self.method = method
        self.bio = bio
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
    }

    deinit {
        BIO_free(bio)
        BIO_meth_free(method)
    }

    /// Lets a connection use the buffers; they must outlive it.
    func attach(to ssl: OpaquePointer) {
        BIO_up_ref(bio)
        SSL_set_bio(ssl, bio, bio)
    }

    /// Keeps bytes from the network.
    func feed(_ bytes: UnsafeRawBufferPointer) { input.append(contentsOf: bytes) }

    /// How many bytes for the network are kept.
    var outputByteCount: Int { output.count - outputIndex }

    /// Moves kept bytes for the network into `buffer`, and returns how many.
    func takeOutput(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(outputByteCount, buffer.count)
        guard count > 0 else { return 0 }
        output.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[outputIndex..<outputIndex + count]))
        }
        outputIndex += count
        if outputByteCount == 0 {
            output.removeAll(keepingCapacity: true)
            outputIndex = 0
        }
        return count
    }

    fileprivate func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard inputIndex < input.count else {
            let count = min(lentInput.count, buffer.count)
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: lentInput.prefix(count)))
            lentInput = UnsafeRawBufferPointer(rebasing: lentInput.dropFirst(count))
            return count
        }
        let count = min(input.count - inputIndex, buffer.count)
        input.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[inputIndex..<inputIndex + count]))
        }
        inputIndex += count
        if inputIndex == input.count {
            input.removeAll(keepingCapacity: true)
            inputIndex = 0
        }
        return count
    }

    fileprivate func write(_ bytes: UnsafeRawBufferPointer) {
        guard outputByteCount == 0, bytes.count <= lentOutput.count else { return output.append(contentsOf: bytes) }
        lentOutput.copyMemory(from: bytes)
        lentOutput = UnsafeMutableRawBufferPointer(rebasing: lentOutput.dropFirst(bytes.count))
    }
}

/// The buffers behind a BIO.
private func buffers(of bio: OpaquePointer?) -> NetworkBuffers? {
    BIO_get_data(bio).map { Unmanaged<NetworkBuffers>.fromOpaque($0).takeUnretainedValue() }
}

/// Gives OpenSSL bytes from the network; when there are none, it is to try again later.
private func networkRead(bio: OpaquePointer?, buffer: UnsafeMutablePointer<CChar>?, byteCount: CInt) -> CInt {
    let room = UnsafeMutableRawBufferPointer(start: buffer, count: Int(max(0, byteCount)))
    let count = buffers(of: bio)?.read(into: room) ?? 0
    BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
    if count > 0 { return CInt(count) }
    BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
    return -1
}

/// Takes OpenSSL's bytes for the network, all of them.
private func networkWritten(bio: OpaquePointer?, bytes: UnsafePointer<CChar>?, byteCount: CInt) -> CInt {
    buffers(of: bio)?.write(UnsafeRawBufferPointer(start: bytes, count: Int(max(0, byteCount))))
    return byteCount
}

/// There is nothing to control, but OpenSSL wants to hear that its bytes were flushed.
private func networkControlled(_: OpaquePointer?, command: CInt, _: CLong, _: UnsafeMutableRawPointer?) -> CLong {
    command == BIO_CTRL_FLUSH ? 1 : 0
}
