import COpenSSL
import Glibc

/// What OpenSSL does over one TCP connection with blocking calls and nothing else: TLS 1.3 with AES-128-GCM, 256 KiB a
/// write.
func runBareTLS(_ arguments: Arguments, _ ends: Ends) throws {
    let descriptor = arguments.isSender ? dial(arguments.remoteAddress) : accept(at: arguments.localAddress)
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    guard let context = SSL_CTX_new(arguments.isSender ? TLS_client_method() : TLS_server_method()) else { exit(1) }
    defer { SSL_CTX_free(context) }
    let path = "\(arguments.words[1])/\(arguments.words[0]).pem"
    guard sleigh_SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1,
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1,
        SSL_CTX_use_certificate_file(context, path, SSL_FILETYPE_PEM) == 1,
        SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1,
        SSL_CTX_set_num_tickets(context, 0) == 1, let ssl = SSL_new(context)
    else { exit(1) }
    defer { SSL_free(ssl) }
    SSL_set_fd(ssl, descriptor)
    guard (arguments.isSender ? SSL_connect(ssl) : SSL_accept(ssl)) == 1 else { exit(1) }
    let blockByteCount = 256 << 10
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * blockByteCount, alignment: 4096)
    defer { memory.deallocate() }
    var total = 0
    if arguments.isSender {
        for index in memory.indices { memory[index] = UInt8(truncatingIfNeeded: index &* 31) }
        let measurement = Measurement()
        while total < arguments.byteCount {
            let block = memory.baseAddress?.advanced(by: total % memory.count)
            guard SSL_write(ssl, block, Int32(blockByteCount)) == blockByteCount else { exit(1) }
            total += blockByteCount
        }
        SSL_shutdown(ssl)
        // Until the receiver has everything, and ends its direction.
        while SSL_read(ssl, memory.baseAddress, 1) > 0 {}
        measurement.report(isSender: true, byteCount: total)
    } else {
        let measurement = Measurement()
        while true {
            let count = SSL_read(ssl, memory.baseAddress?.advanced(by: total % (128 * blockByteCount)), 65_536)
            guard count > 0 else { break }
            total += Int(count)
        }
        measurement.report(isSender: false, byteCount: total)
        SSL_shutdown(ssl)
    }
    close(descriptor)
}

private func dial(_ address: sockaddr_in) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard withAddress(address, { connect(descriptor, $0, $1) }) == 0 else { exit(1) }
    return descriptor
}

private func accept(at address: sockaddr_in) -> Int32 {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var one: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, 4)
    guard withAddress(address, { bind(listener, $0, $1) }) == 0, listen(listener, 1) == 0 else { exit(1) }
    return Glibc.accept(listener, nil, nil)
}
