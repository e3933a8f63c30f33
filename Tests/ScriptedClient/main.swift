import Client
import Foundation
import Logging
import XMPP

/// The tests' own XMPP client: on-line with whichever features the test names, until it is killed.
///
///     ScriptedClient ADDRESS/RESOURCE PASSWORD-FILE HOST:PORT CA-FILE PRIORITY [FEATURE...]
///
/// Prints `ready` once it is on-line.
struct WrongUsage: Error {}

let arguments = CommandLine.arguments.dropFirst()
let first = arguments.startIndex
guard arguments.count >= 5, let address = JID(arguments[first]),
    let server = ServerEndpoint(parsing: arguments[first + 2]), let priority = Int8(arguments[first + 4])
else { throw WrongUsage() }

let password = try String(contentsOfFile: arguments[first + 1], encoding: .utf8)
    .trimmingCharacters(in: .whitespacesAndNewlines)
let client = try await XMPPClient.connect(
    ClientConfiguration(
        account: address, password: Password(password), resource: address.resource, server: server,
        authorityFile: arguments[first + 3], features: Array(arguments.dropFirst(5))),
    log: Logger(label: "scripted-client"))
try await client.becomeAvailable(priority: priority)
// An answer shows that the server has dealt with the presence.
_ = try await client.roster()
print("ready")
fflush(nil)
throw try await client.closed
