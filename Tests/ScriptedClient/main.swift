import Client
import Glibc
import Logging
import XMPP

/// The tests' own XMPP client: on-line with whichever features the test names, until it is killed or its session is over.
///
///     ScriptedClient ADDRESS/RESOURCE PASSWORD-FILE HOST:PORT CA-FILE PRIORITY NAME [FEATURE...]
///         [-- CAPTURE initiator|responder FILE [PEER] [hasty]]
///
/// Prints `ready` once it is on-line. With a capture it plays one side of the session in it, with a file to send, or the
/// name of one to write, and ends when the session does.
let words = CommandLine.arguments.dropFirst().split(separator: "--", maxSplits: 1, omittingEmptySubsequences: false)
let arguments = Array(words[0])
guard arguments.count >= 6, let address = JID(arguments[0]), let server = ServerEndpoint(parsing: arguments[2]),
    let priority = Int8(arguments[4])
else { throw Failure("wrong usage") }

let password = try readText(arguments[1]).filter { !$0.isWhitespace }
let client = try await XMPPClient.connect(
    ClientConfiguration(
        account: address, password: Password(password), resource: address.resource, server: server,
        authorityFile: arguments[3], features: Array(arguments.dropFirst(6)),
        clientName: arguments[5]),
    log: Logger(label: "scripted-client"))
let replay = try words.dropFirst().first.map { words in
    let words = Array(words)
    guard words.count >= 3, let role = Replay.Role(rawValue: words[1]) else { throw Failure("wrong usage") }
    return try Replay(
        client: client, capture: Capture(path: words[0]), role: role, file: words[2],
        peer: words.count > 3 ? try jid(words[3]) : nil, host: try ownAddress(towards: server.host),
        isHasty: words.last == "hasty")
}
try await client.becomeAvailable(priority: priority)
// An answer shows that the server has dealt with the presence.
_ = try await client.roster()
tell("ready")
if let replay {
    do {
        try await replay.run()
    } catch {
        tell("failed: \(error)")
        exit(1)
    }
    tell("done")
    await client.close()
} else {
    throw try await client.closed
}
