import Glibc
import SecureChannels

/// This device, as its peers know it: a name that stays and a certificate that stays, made at first use.
struct Device {
    /// The XMPP resource of a waiting receiver, such as `sleigh-4f2a9c`.
    let name: String
    /// What proves to peers that they talk to the same device as before.
    let certificate: DeviceCertificate

    /// Loads the device from the state folder, or makes it there.
    static func load() throws -> Device {
        let folder = try Folders.state()
        let certificateFile = PrivateFile(folder: folder, name: "device.pem")
        let nameFile = PrivateFile(folder: folder, name: "device-name")
        return try certificateFile.withLock { () throws(Failure) in
            do {
                let certificate: DeviceCertificate
                if let pem = try certificateFile.read() {
                    certificate = try DeviceCertificate(pem: pem)
                } else {
                    certificate = try DeviceCertificate.generate()
                    try certificateFile.write(certificate.pem)
                }
                if let stored = try nameFile.read()?.split(separator: "\n").first {
                    return Device(name: String(stored), certificate: certificate)
                }
                let name = "sleigh-" + randomHex(byteCount: 3)
                try nameFile.write(name + "\n")
                return Device(name: name, certificate: certificate)
            } catch let failure as Failure {
                throw failure
            } catch {
                throw Failure(
                    "\(certificateFile.path) cannot be used: \(error)",
                    hint: "If it is damaged, move it away: a new one is made, and peers are told of the change.",
                    code: .localFile)
            }
        }
    }

    /// A resource for a command that runs beside a waiting receiver.
    var resourceForOneRun: String { name + "." + Self.randomHex(byteCount: 3) }

    private static func randomHex(byteCount: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<byteCount).map { _ in
            let byte = String(UInt8.random(in: 0...255, using: &generator), radix: 16)
            return byte.count == 1 ? "0" + byte : byte
        }.joined()
    }
}
