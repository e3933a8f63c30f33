internal import Glibc

/// Looks a host's name up on a thread of its own, because `getaddrinfo` blocks for as long as it likes.
package enum NameLookup {
    /// Calls back once, on the look-up's thread, with the addresses (both families, the system's order), none if the
    /// name has none.
    ///
    /// A numeric address needs no look-up: use ``ICEAddress/init(ip:port:)`` first.
    package static func start(host: String, port: UInt16, completion: @escaping @Sendable ([ICEAddress]) -> Void) {
        let request = Unmanaged.passRetained(Request(host: host, port: port, completion: completion))
        var thread = pthread_t()
        let isStarted = pthread_create(&thread, nil, lookUp, request.toOpaque()) == 0
        if isStarted {
            pthread_detach(thread)
        } else {
            request.release()
            completion([])
        }
    }

    fileprivate final class Request: Sendable {
        let host: String
        let port: UInt16
        let completion: @Sendable ([ICEAddress]) -> Void

        init(host: String, port: UInt16, completion: @escaping @Sendable ([ICEAddress]) -> Void) {
            self.host = host
            self.port = port
            self.completion = completion
        }

        func resolve() -> [ICEAddress] {
            var hints = addrinfo()
            hints.ai_family = AF_UNSPEC
            hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
            hints.ai_flags = AI_ADDRCONFIG
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
            defer { freeaddrinfo(list) }
            var addresses: [ICEAddress] = []
            var next = list
            while let entry = next, addresses.count < 8 {
                next = entry.pointee.ai_next
                guard let address = ICEAddress(entry.pointee.ai_addr, port: port) else { continue }
                if !addresses.contains(address) { addresses.append(address) }
            }
            return addresses
        }
    }
}

extension ICEAddress {
    /// Reads the address of a look-up's answer.
    fileprivate init?(_ address: UnsafeMutablePointer<sockaddr>?, port: UInt16) {
        guard let address else { return nil }
        var storage = sockaddr_storage()
        let byteCount: Int
        switch Int32(address.pointee.sa_family) {
        case AF_INET: byteCount = MemoryLayout<sockaddr_in>.size
        case AF_INET6: byteCount = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: byteCount))
        }
        guard let read = ICEAddress(storage) else { return nil }
        self.init(ip: read.ip, port: port)
    }
}

private func lookUp(_ data: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let data else { return nil }
    let request = Unmanaged<NameLookup.Request>.fromOpaque(data).takeRetainedValue()
    request.completion(request.resolve())
    return nil
}
