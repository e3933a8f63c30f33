// Memory to memory over one stream, one process a side:
//   StreamBenchmark keys DIRECTORY
//   StreamBenchmark receive DIRECTORY LOCAL-ADDRESS PORT REMOTE-ADDRESS PORT
//   StreamBenchmark send    DIRECTORY LOCAL-ADDRESS PORT REMOTE-ADDRESS PORT GIBIBYTES [cubic|bbr|bbr2] [PAYLOAD]
// --carrier quic (default), tcp, or bare-tls: OpenSSL on blocking sockets, to compare with. The last two words are QUIC's.
import Glibc
import SecureChannels

/// What the command line says.
struct Arguments {
    var carrier = "quic"
    var words: [String] = []

    init(_ all: [String]) {
        var rest = all.dropFirst()
        while let word = rest.popFirst() {
            if word == "--carrier" { carrier = rest.popFirst() ?? "" } else { words.append(word) }
        }
    }

    func word(_ index: Int) -> String? { index < words.count ? words[index] : nil }
    var isSender: Bool { words.first == "send" }
    var localAddress: sockaddr_in { ipv4(words[2], words[3]) }
    var remoteAddress: sockaddr_in { ipv4(words[4], words[5]) }
    var byteCount: Int { Int((word(6).flatMap(Double.init) ?? 1) * Double(1 << 30)) }
}

let arguments = Arguments(CommandLine.arguments)
guard let directory = arguments.word(1) else { exit(2) }
let names = ["send", "receive"]
if arguments.words[0] == "keys" {
    for name in names {
        let certificate = try DeviceCertificate.generate()
        guard let file = fopen("\(directory)/\(name).pem", "w") else { exit(1) }
        fputs(certificate.pem, file)
        fclose(file)
    }
    exit(0)
}
guard arguments.words.count >= 6, let own = names.firstIndex(of: arguments.words[0]) else { exit(2) }
let ends = Ends(
    certificate: try DeviceCertificate(pem: readFile("\(directory)/\(names[own]).pem")),
    peer: try DeviceCertificate(pem: readFile("\(directory)/\(names[1 - own]).pem")).fingerprint)
switch arguments.carrier {
case "quic": try await runQUIC(arguments, ends)
case "tcp": try await runTCP(arguments, ends)
case "bare-tls": try runBareTLS(arguments, ends)
default: exit(2)
}
