import Glibc
import XML
import XMPP

/// A session between two clients as it was seen on the wire: one of the files in `Fixtures/jingle`.
struct Capture {
    /// A stanza, and who sent it.
    struct Stanza {
        var speaker: JID
        var element: XMLElement
    }

    let stanzas: [Stanza]
    /// Who offered the session, and to whom.
    let initiator: JID
    let responder: JID

    init(path: String) throws {
        var stanzas: [Stanza] = []
        // Each stanza comes after a comment that says whose it is.
        for part in try readText(path).components(separatedBy: "<!-- +").dropFirst() {
            guard let end = part.firstRange(of: "-->") else { continue }
            let words = part[..<end.lowerBound].split(separator: " ")
            let rest = String(part[end.upperBound...]).components(separatedBy: "<!--")[0]
                .replacing("</capture>", with: "")
            let holder = try XMLElement(parsing: "<capture xmlns='\(Namespace.client)'>\(rest)</capture>")
            guard let element = holder.elements.first, words.count == 3 else { continue }
            let speaker = words[1] == "client->server" ? String(words[2]) : element["from"] ?? ""
            stanzas.append(Stanza(speaker: try jid(speaker), element: element))
        }
        self.stanzas = stanzas
        guard
            let offer = stanzas.first(where: { stanza in
                stanza.element.elements.contains { kind(of: $0) == "session-initiate" }
            })
        else { throw Failure("\(path) holds no offer") }
        initiator = offer.speaker
        responder = try jid(offer.element["to"] ?? "")
    }

    /// The candidate of that name, whoever offered it.
    func candidate(named cid: String?) -> XMLElement? {
        stanzas.lazy.flatMap { $0.element.descendants }.first { $0.name == "candidate" && $0["cid"] == cid }
    }
}

/// What a payload is about: an action of Jingle, or what is told in a transport-info or session-info.
func kind(of payload: XMLElement) -> String {
    guard payload.name == "jingle" else { return payload.name }
    switch payload["action"] {
    case "transport-info":
        let transport = payload.elements.first { $0.name == "content" }?.elements.first { $0.name == "transport" }
        return transport?.elements.first?.name ?? "transport-info"
    case "session-info": return payload.elements.first?.name ?? "ping"
    case let action: return action ?? ""
    }
}

/// What ends the tool, in words for the log of a test.
struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

func jid(_ text: String) throws -> JID {
    guard let jid = JID(text) else { throw Failure("'\(text)' is no address") }
    return jid
}

func readText(_ path: String) throws -> String { String(decoding: try readBytes(path), as: UTF8.self) }

func readBytes(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "r") else { throw Failure("\(path) cannot be opened") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
    return bytes
}

func writeBytes(_ bytes: [UInt8], to path: String) throws {
    guard let file = fopen(path, "w") else { throw Failure("\(path) cannot be made") }
    let count = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, count == bytes.count else { throw Failure("\(path) cannot be written") }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}

extension XMLElement {
    var descendants: [XMLElement] { [self] + elements.flatMap(\.descendants) }
}

/// Tells the test what has happened, at once.
func tell(_ line: String) {
    print(line)
    fflush(nil)
}
