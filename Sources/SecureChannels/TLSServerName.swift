internal import COpenSSL
internal import Glibc

/// The name a certificate must be valid for.
struct ServerName {
    let text: String
    private let isAddress: Bool

    init(_ name: String) throws(TLSError) {
        var text = name
        if text.hasPrefix("["), text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }
        var address: (UInt64, UInt64) = (0, 0)
        isAddress = inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1
        if !isAddress {
            let isHostName =
                (1...253).contains(text.utf8.count)
                && text.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                        UInt8(ascii: "."):
                        true
                    default: false
                    }
                } && !text.hasPrefix(".")
            // A leading dot would make OpenSSL accept every name beneath it.
            guard isHostName else { throw .serverNameUnusable(name) }
        }
        self.text = text
    }

    /// Asks OpenSSL to require a server certificate for this name (RFC 9525: never its common name), and to tell
    /// the server the name if it is no address (RFC 6066 § 3).
    func expect(of ssl: OpaquePointer) -> Bool {
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS) | UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        guard X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER) == 1 else { return false }
        if isAddress { return X509_VERIFY_PARAM_set1_ip_asc(parameters, text) == 1 }
        return X509_VERIFY_PARAM_set1_host(parameters, text, text.utf8.count) == 1
            && sleigh_SSL_set_tlsext_host_name(ssl, text) == 1
    }
}

/// The DNS names and addresses a certificate is for, at most ten, with nothing in them that is not safe to print.
func hostNames(of certificate: OpaquePointer?) -> [String] {
    guard let certificate,
        let extension_ = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil)
    else { return [] }
    let names = OpaquePointer(extension_)
    defer { GENERAL_NAMES_free(names) }
    var texts: [String] = []
    for index in 0..<sleigh_GENERAL_NAMES_count(names) where texts.count < 10 {
        var start: UnsafePointer<UInt8>?
        var count: Int32 = 0
        let type = sleigh_GENERAL_NAMES_get(names, index, &start, &count)
        guard type >= 0, let start else { continue }
        let bytes = UnsafeBufferPointer(start: start, count: Int(count))
        if type == GEN_DNS {
            let isPrintable = (1...253).contains(bytes.count) && bytes.allSatisfy { (0x21...0x7e).contains($0) }
            if isPrintable { texts.append(String(decoding: bytes, as: UTF8.self)) }
        } else if let address = text(ofAddress: bytes) {
            texts.append(address)
        }
    }
    return texts
}

private func text(ofAddress bytes: UnsafeBufferPointer<UInt8>) -> String? {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard
        inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes.baseAddress, &text, socklen_t(text.count)) != nil
    else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

extension CertificateFault {
    /// The fault for OpenSSL's code.
    init(verifyCode code: Int32, expected: String, names: [String]) {
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .expired
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .notYetValid
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: self = .selfSigned
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
            X509_V_ERR_CERT_UNTRUSTED:
            self = .unknownIssuer
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            self = .wrongName(expected: expected, names: names)
        default: self = .other(reason: String(cString: X509_verify_cert_error_string(Int(code))))
        }
    }
}
