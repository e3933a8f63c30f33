internal import CNice
internal import Glibc

/// The addresses of this host that are worth a candidate.
enum LocalAddresses {
    /// libnice 0.1.21 aborts on a host candidate whose address is not among the first 64 it lists.
    private static let knownCount = 64
    /// More would only make the checks longer.
    private static let usedCount = 16

    /// Lists the addresses to gather on: those asked for, or all but loopback and link-local ones.
    static func list(for configuration: ICEConfiguration) -> [ICEAddress] {
        let wanted = configuration.localAddresses.compactMap { ICEAddress(ip: $0, port: 0) }
        let addresses = known().filter { address in
            if !configuration.allowsIPv6, address.family == .ipv6 { return false }
            if !configuration.localAddresses.isEmpty { return wanted.contains(address) }
            return address.isUnicast && !address.isLoopback
                && !(address.isLinkLocal && address.family == .ipv6)
        }
        return Array(addresses.prefix(usedCount))
    }

    /// The address that this host would send from to reach another; `nil` without a route. Nothing is sent.
    static func source(for destination: ICEAddress) -> ICEAddress? {
        let family = destination.family == .ipv4 ? AF_INET : AF_INET6
        let descriptor = socket(family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var remote = destination.socketAddress
        let byteCount = destination.family == .ipv4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
        let isConnected = withUnsafeBytes(of: &remote) {
            connect(descriptor, $0.bindMemory(to: sockaddr.self).baseAddress, socklen_t(byteCount)) == 0
        }
        guard isConnected else { return nil }
        var local = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isKnown = withUnsafeMutableBytes(of: &local) {
            getsockname(descriptor, $0.bindMemory(to: sockaddr.self).baseAddress, &length) == 0
        }
        return isKnown ? ICEAddress(local).flatMap { ICEAddress(ip: $0.ip, port: 0) } : nil
    }

    /// The start of libnice's own list, loopback included.
    private static func known() -> [ICEAddress] {
        guard let list = nice_interfaces_get_local_ips(1) else { return [] }
        defer { g_list_free_full(list, g_free) }
        var addresses: [ICEAddress] = []
        var place = 0
        var next: UnsafeMutablePointer<GList>? = list
        while let entry = next {
            next = entry.pointee.next
            guard let text = entry.pointee.data else { continue }
            let name = String(cString: text.assumingMemoryBound(to: CChar.self))
            let ip = name.split(separator: "%").first.map(String.init) ?? name
            place += 1
            if place <= knownCount, let address = ICEAddress(ip: ip, port: 0) { addresses.append(address) }
        }
        return addresses
    }
}

extension ICEConfiguration {
    /// The addresses of this host at which a peer may reach it over another protocol than ICE, whether or not ICE itself
    /// is to use relays only.
    package var directAddresses: [ICEAddress] { LocalAddresses.list(for: self).filter { !$0.isLinkLocal } }
}
