public import Glibc

/// An IP address and a port; never a host name.
public struct ICEAddress: Sendable, Hashable, CustomStringConvertible {
    /// The version of the Internet Protocol an address belongs to.
    public enum Family: Sendable, Hashable, CaseIterable {
        /// IPv4.
        case ipv4
        /// IPv6.
        case ipv6
    }

    /// The address's family.
    public let family: Family
    /// The address in its usual text form, without brackets or zone.
    public let ip: String
    /// The port, 0 where none is known.
    public let port: UInt16

    private let octets: [UInt8]

    /// Parses a numeric address.
    ///
    /// Host names, `.local` names, zones (`%eth0`) and anything else that is not plainly an address give `nil`. An
    /// IPv4-mapped IPv6 address becomes the IPv4 address it stands for.
    public init?(ip: String, port: UInt16) {
        guard ip.utf8.count <= 45, !ip.utf8.contains(0) else { return nil }
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        if inet_pton(AF_INET, ip, &ipv4) == 1 {
            self.init(octets: withUnsafeBytes(of: &ipv4) { [UInt8]($0) }, port: port)
        } else if inet_pton(AF_INET6, ip, &ipv6) == 1 {
            self.init(octets: withUnsafeBytes(of: &ipv6) { [UInt8]($0) }, port: port)
        } else {
            return nil
        }
    }

    /// Reads a socket address of either family.
    public init?(_ storage: sockaddr_storage) {
        var storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET:
            self = withUnsafeBytes(of: &storage) { bytes in
                let address = bytes.loadUnaligned(as: sockaddr_in.self)
                return ICEAddress(
                    octets: withUnsafeBytes(of: address.sin_addr) { [UInt8]($0) },
                    port: UInt16(bigEndian: address.sin_port))
            }
        case AF_INET6:
            self = withUnsafeBytes(of: &storage) { bytes in
                let address = bytes.loadUnaligned(as: sockaddr_in6.self)
                return ICEAddress(
                    octets: withUnsafeBytes(of: address.sin6_addr) { [UInt8]($0) },
                    port: UInt16(bigEndian: address.sin6_port))
            }
        default:
            return nil
        }
    }

    private init(octets: [UInt8], port: UInt16) {
        let isMapped = octets.count == 16 && octets[0..<10].allSatisfy { $0 == 0 } && octets[10..<12] == [0xFF, 0xFF]
        let octets = isMapped ? [UInt8](octets[12...]) : octets
        self.octets = octets
        self.port = port
        self.family = octets.count == 4 ? .ipv4 : .ipv6
        let buffer = [CChar](unsafeUninitializedCapacity: Int(INET6_ADDRSTRLEN)) { buffer, count in
            count = 0
            let family = octets.count == 4 ? AF_INET : AF_INET6
            if inet_ntop(family, octets, buffer.baseAddress, socklen_t(INET6_ADDRSTRLEN)) != nil {
                while buffer[count] != 0 { count += 1 }
            }
        }
        self.ip = String(decoding: buffer.lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The address for the socket calls.
    public var socketAddress: sockaddr_storage {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { bytes in
            switch family {
            case .ipv4:
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = port.bigEndian
                withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: octets) }
                bytes.storeBytes(of: address, as: sockaddr_in.self)
            case .ipv6:
                var address = sockaddr_in6()
                address.sin6_family = sa_family_t(AF_INET6)
                address.sin6_port = port.bigEndian
                withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: octets) }
                bytes.storeBytes(of: address, as: sockaddr_in6.self)
            }
        }
        return storage
    }

    /// Whether the address is on this host only.
    public var isLoopback: Bool {
        family == .ipv4 ? octets[0] == 127 : octets == [UInt8](repeating: 0, count: 15) + [1]
    }

    /// Whether the address is good on one link only, so of no use without a zone.
    public var isLinkLocal: Bool {
        family == .ipv4 ? octets.starts(with: [169, 254]) : octets[0] == 0xFE && octets[1] & 0xC0 == 0x80
    }

    /// Whether the address can belong to one host at all: not unspecified, multicast, broadcast or reserved.
    public var isUnicast: Bool {
        switch family {
        case .ipv4: octets[0] != 0 && octets[0] < 224
        case .ipv6: octets[0] != 0xFF && octets.contains { $0 != 0 }
        }
    }

    /// Whether the address is for private networks (RFC 1918, RFC 6598, RFC 4193) and not reachable from elsewhere.
    public var isPrivate: Bool {
        switch family {
        case .ipv4:
            octets[0] == 10 || (octets[0] == 172 && octets[1] & 0xF0 == 16) || octets.starts(with: [192, 168])
                || (octets[0] == 100 && octets[1] & 0xC0 == 64)
        case .ipv6:
            octets[0] & 0xFE == 0xFC
        }
    }

    /// `192.0.2.1:5000` or `[2001:db8::1]:5000`.
    public var description: String {
        family == .ipv4 ? "\(ip):\(port)" : "[\(ip)]:\(port)"
    }
}
