/// The client's side of one SCRAM log-in (RFC 5802, RFC 7677), with or without channel binding.
///
/// The calls follow the messages: `clientFirst`, `clientFinal(answering:)`, `verify(serverFinal:)`. Only after the
/// last one returned has the server proved that it knows the password.
struct SCRAM: Sendable {
    /// What the client says about channel binding, the "gs2-cbind-flag" (RFC 5802 § 7).
    enum ChannelBinding: Sendable, Hashable {
        /// `n`: the client has none.
        case unsupported
        /// `y`: the client would have used it, had the server offered it. A server that did offer it will refuse.
        case notOffered
        /// `p`: the client uses it.
        case used(ChannelBindingType, data: [UInt8])
    }

    /// More would only serve to keep the client busy; servers use 4096 to a few hundred thousand.
    static let maximumIterationCount = 10_000_000

    private enum State: Sendable {
        case start
        case awaitingServerFirst
        case awaitingServerFinal(serverSignature: [UInt8])
        case verified
    }

    private let function: SASLHashFunction
    private let password: [UInt8]
    private let gs2Header: String
    private let channelBindingData: [UInt8]
    private let nonce: String
    private let clientFirstBare: String
    private let cryptography: any SASLCryptography
    private var state = State.start

    /// Starts a log-in; name and password are already prepared with SASLprep.
    init(
        function: SASLHashFunction, user: String, password: String, channelBinding: ChannelBinding,
        cryptography: any SASLCryptography
    ) {
        self.function = function
        self.password = Array(password.utf8)
        self.cryptography = cryptography
        switch channelBinding {
        case .unsupported: (gs2Header, channelBindingData) = ("n,,", [])
        case .notOffered: (gs2Header, channelBindingData) = ("y,,", [])
        case .used(let type, let data): (gs2Header, channelBindingData) = ("p=\(type.rawValue),,", data)
        }
        nonce = Base64.encode(cryptography.randomBytes(18))
        clientFirstBare = "n=\(Self.escaped(user)),r=\(nonce)"
    }

    /// True once the server has proved that it knows the password.
    var isVerified: Bool {
        switch state {
        case .verified: true
        case .start, .awaitingServerFirst, .awaitingServerFinal: false
        }
    }

    /// True when the server's last message is the next to come.
    var awaitsServerFinal: Bool {
        switch state {
        case .awaitingServerFinal: true
        case .start, .awaitingServerFirst, .verified: false
        }
    }

    /// The first message.
    mutating func clientFirst() -> String {
        state = .awaitingServerFirst
        return gs2Header + clientFirstBare
    }

    /// The second message, which answers the server's first.
    ///
    /// - Throws: `SASLProtocolError` when the server's message is not acceptable.
    mutating func clientFinal(answering serverFirst: String) throws(SASLProtocolError) -> String {
        guard case .awaitingServerFirst = state else { throw .unexpectedMessage }
        let fields = try Self.fields(serverFirst)
        // An "m" in front announces an extension that must be understood (RFC 5802 § 5.1).
        guard fields.count >= 3, fields[0].name == "r", fields[1].name == "s", fields[2].name == "i" else {
            throw .malformedMessage
        }
        let combinedNonce = fields[0].value
        guard combinedNonce.hasPrefix(nonce), combinedNonce.utf8.count > nonce.utf8.count else { throw .wrongNonce }
        guard let salt = Base64.decode(fields[1].value), !salt.isEmpty else { throw .malformedMessage }
        guard let iterations = Int(fields[2].value), iterations >= 1 else { throw .malformedMessage }
        guard iterations <= Self.maximumIterationCount else { throw .tooManyIterations }

        let channel = Base64.encode(Array(gs2Header.utf8) + channelBindingData)
        let withoutProof = "c=\(channel),r=\(combinedNonce)"
        let authMessage = Array("\(clientFirstBare),\(serverFirst),\(withoutProof)".utf8)

        let saltedPassword = cryptography.pbkdf2(
            password: password, salt: salt, iterations: iterations, with: function)
        let clientKey = cryptography.hmac(key: saltedPassword, Array("Client Key".utf8), with: function)
        let storedKey = cryptography.hash(clientKey, with: function)
        let clientSignature = cryptography.hmac(key: storedKey, authMessage, with: function)
        let proof = zip(clientKey, clientSignature).map { $0 ^ $1 }
        let serverKey = cryptography.hmac(key: saltedPassword, Array("Server Key".utf8), with: function)
        state = .awaitingServerFinal(
            serverSignature: cryptography.hmac(key: serverKey, authMessage, with: function))
        return "\(withoutProof),p=\(Base64.encode(proof))"
    }

    /// Checks the server's last message.
    ///
    /// - Throws: `SASLProtocolError.wrongServerSignature` when the server does not know the password.
    mutating func verify(serverFinal: String) throws(SASLProtocolError) {
        guard case .awaitingServerFinal(let expected) = state else { throw .unexpectedMessage }
        guard let first = try Self.fields(serverFinal).first, first.name == "v",
            let signature = Base64.decode(first.value)
        else { throw .malformedMessage }
        guard signature.count == expected.count,
            zip(signature, expected).reduce(0, { $0 | ($1.0 ^ $1.1) }) == 0
        else { throw .wrongServerSignature }
        state = .verified
    }

    /// Splits a message into its "name=value" parts.
    private static func fields(_ message: String) throws(SASLProtocolError) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        for part in message.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, sides[0].utf8.count == 1 else { throw .malformedMessage }
            fields.append((String(sides[0]), String(sides[1])))
        }
        return fields
    }

    /// A user name as RFC 5802 § 5.1 wants it.
    private static func escaped(_ user: String) -> String {
        user.reduce(into: "") { result, character in
            switch character {
            case "=": result += "=3D"
            case ",": result += "=2C"
            default: result.append(character)
            }
        }
    }
}
